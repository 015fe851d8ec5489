"""A pool of compositions, encoded once: the UNet then trains without the autoencoder.

Every latent is used a few times, with another caption each time, before the pool is made anew.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTokenizer

from training.autoencoder import encoded
from training.captions import caption
from training.compose import Composer
from training.emoji import Emoji
from training.presets import Preset
from training.scenes import Chances, Scene, drawn

_AT_A_TIME = 64


@dataclass(frozen=True)
class Pool:
    """`latents`: (size, 4, side, side) float16, as the autoencoder gives them, unscaled."""

    scenes: list[Scene]
    latents: Tensor


def pool(
    preset: Preset,
    known: Sequence[Emoji],
    composer: Composer,
    vae: AutoencoderKL,
    size: int,
    seed: int,
) -> Pool:
    """`size` compositions; another seed gives others."""
    rng = random.Random(seed)
    scenes = [drawn(known, Chances.of(preset), rng) for _ in range(size)]
    latents = [
        encoded(vae, composer(scenes[start : start + _AT_A_TIME], preset.pixels)).half()
        for start in range(0, size, _AT_A_TIME)
    ]
    return Pool(scenes, torch.cat(latents))


def batches(
    made: Pool, known: Sequence[Emoji], tokenizer: CLIPTokenizer, batch: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """(latents, tokens) of each batch: (batch, 4, side, side) float32 and (batch, 77) int64, both
    where the pool is; every composition once, in another order for each seed."""
    rng = random.Random(seed)
    order = rng.sample(range(len(made.scenes)), len(made.scenes))
    for start in range(0, len(order) - batch + 1, batch):
        chosen = order[start : start + batch]
        said = [caption(made.scenes[row], known, rng) for row in chosen]
        yield made.latents[chosen].float(), tokens(tokenizer, said).to(made.latents.device)


def tokens(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(texts, 77) int64, padded with the end token as the pipeline does."""
    made: Tensor = tokenizer(
        list(texts), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    return made

"""A pool of compositions, encoded once: the UNet then trains without the autoencoder.

Every latent is used a few times, with another caption each time, before the pool is made anew.
Which batch comes at which step depends on the step alone, so that a training that was interrupted
goes on as if it had not been. The pool lies in a file, as encoding it takes minutes without a GPU;
with one, other processes write the captions while it works.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTokenizer

from training import run
from training.autoencoder import encoded
from training.captions import caption
from training.compose import Composer
from training.emoji import Emoji
from training.networks import Autoencoder
from training.presets import Preset
from training.scenes import Chances, Scene, drawn

_AT_A_TIME = 64


@dataclass(frozen=True)
class Feed:
    """All that batches are made from; `vae` lies on the device to train on."""

    preset: Preset
    known: Sequence[Emoji]
    composer: Composer
    tokenizer: CLIPTokenizer
    vae: Autoencoder
    file: Path  # where the pool is kept

    def batches(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """From this step on, for ever: latents of a standard deviation of 1, (batch, 4, side, side)
        float32, and tokens, (batch, 77) int64, both where the autoencoder is."""
        device = next(self.vae.parameters()).device
        a_pool = self.preset.pool // self.preset.unet_batch * self.preset.pool_uses  # steps
        while True:
            number, past = divmod(step, a_pool)
            scenes, latents = self.pool(number)
            said = Said(scenes, self.known, self.tokenizer, self.preset.unet_batch)
            coming = DataLoader(
                said, None, sampler=range(past, a_pool), num_workers=run.workers(device)
            )
            for rows, words in coming:
                now = self.scaled(latents[rows.to(device)])
                yield now, words.to(device, non_blocking=True)
            step += a_pool - past

    def pool(self, number: int) -> tuple[list[Scene], Tensor]:
        """The compositions of this number and their latents, (pool, 4, side, side) float16 and not
        scaled: from the file if it has them, as this autoencoder's encoder makes them; else into
        it."""
        rng = random.Random(number)
        chances = Chances.of(self.preset)
        scenes = [drawn(self.known, chances, rng) for _ in range(self.preset.pool)]
        # the scaling factor is made from latents: it tells one encoder from another
        told = f"{self.vae.config.scaling_factor} {self.preset.pixels} {scenes}"
        mark = hashlib.sha256(told.encode()).hexdigest()
        device = next(self.vae.parameters()).device
        if self.file.exists():
            with safe_open(self.file, "pt") as kept:
                fits = (kept.metadata() or {}).get("mark") == mark
            if fits:
                return scenes, load_file(self.file)["latents"].to(device)
        latents = self.encoded(scenes)
        part = self.file.with_suffix(".part")
        save_file({"latents": latents}, part, {"mark": mark})
        part.replace(self.file)
        return scenes, latents

    def scaled(self, latents: Tensor) -> Tensor:
        """As float32 of a standard deviation of 1."""
        made: Tensor = latents.float() * self.vae.config.scaling_factor
        return made

    def encoded(self, scenes: Sequence[Scene]) -> Tensor:
        """(scenes, 4, side, side) float16, not scaled, where the autoencoder is."""
        found = []
        for start in range(0, len(scenes), _AT_A_TIME):
            pictures = self.composer(scenes[start : start + _AT_A_TIME], self.preset.pixels)
            found.append(encoded(self.vae, pictures).half().contiguous())
        return torch.cat(found)


class Said(Dataset[tuple[Tensor, Tensor]]):
    """What is said of a pool, by the step: (batch,) rows of it, and the tokens of a caption for
    each, (batch, 77). Each row comes once before one comes again."""

    def __init__(
        self, scenes: list[Scene], known: Sequence[Emoji], tokenizer: CLIPTokenizer, batch: int
    ) -> None:
        self._scenes, self._known, self._tokenizer = scenes, known, tokenizer
        self._batch = batch

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        use, past = divmod(step, len(self._scenes) // self._batch)
        order = torch.randperm(len(self._scenes), generator=torch.Generator().manual_seed(use))
        rows = order[past * self._batch : (past + 1) * self._batch]
        rng = random.Random(f"captions of step {step}")
        said = [caption(self._scenes[row], self._known, rng) for row in rows.tolist()]
        return rows, tokens(self._tokenizer, said)


def tokens(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(texts, 77) int64, padded with the end token as the pipeline does."""
    made: Tensor = tokenizer(
        list(texts), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    return made

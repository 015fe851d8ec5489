"""What a new training takes over from an older model: the UNet's weights, and what it was told.

A UNet understands the contexts of the text encoder that it was trained with. One of another width
or depth first learns to say the same of the captions that the older one knew: a linear map takes
its contexts to the older ones, and the UNet's keys and values of the context, which are linear too,
take that map in. So the UNet goes on where it was, and not one picture was needed.

Names are told apart by their tokens. So the new table begins with the older one's rows, in their
principal directions; tokens that the older model never read get the rows that their meaning
suggests. And of what is said, four fifths are the same for every caption (where in the text it
stands): what counts is what is left.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training import networks, run
from training.captions import caption
from training.emoji import Emoji
from training.latents import tokens
from training.networks import TextEncoder, UNet
from training.presets import Preset
from training.run import Run
from training.scenes import Chances, drawn

_BATCH = 64
_OF_CONTEXT = (".attn2.to_k.weight", ".attn2.to_v.weight")


@dataclass(frozen=True)
class Words:
    """Captions without end of what a first model knows: single things on plain grounds."""

    known: Sequence[Emoji]
    tokenizer: CLIPTokenizer

    def batch(self, seed: int) -> Tensor:
        """(64, 77) tokens."""
        rng = random.Random(seed)
        by_label = [replace(each, names=()) for each in self.known]
        chances = Chances(several=0, flat=0, familiar=0.5, gradient=0, placed=0)
        scenes = [drawn(by_label, chances, rng) for _ in range(_BATCH)]
        return tokens(self.tokenizer, [caption(scene, by_label, rng) for scene in scenes])


def inherit(
    text: TextEncoder,
    unet: UNet,
    preset: Preset,
    words: Words,
    start: Path,
    folder: Path,
    left: float,
) -> bool:
    """Gives `text` and `unet` what they can have of the model in `start`, in at most `left`
    minutes; False if that was too little: the state is kept in `folder`."""
    older = networks.read(start, "text_encoder")
    bridge = nn.Linear(preset.width, older.config.hidden_size, bias=False)
    optimizer = torch.optim.AdamW([*text.parameters(), *bridge.parameters()], betas=(0.9, 0.98))
    parts = {"text": text, "bridge": bridge, "optimizer": optimizer}
    training = Run(folder / "words.pt", parts, preset.words_minutes, left)
    if not training.resume():
        rows = text.get_input_embeddings().weight.data
        rows.copy_(table(older.get_input_embeddings().weight, rows))
    for progress in training.steps():
        asked = words.batch(training.step)
        with torch.no_grad():
            wanted = older(asked).last_hidden_state
        said = bridge(text(asked).last_hidden_state)
        loss = F.mse_loss(said, wanted) / (wanted - wanted.mean(0)).square().mean()
        run.descend(optimizer, loss, run.rate(2e-3, training.step, progress))
        if training.step % 100 == 0:
            print(f"words {training.trained:.1f} min: {loss.item():.3f} of the variance is missing")
    if training.finished:
        given = networks.read(start, "unet").state_dict()
        _take_over(unet, given, bridge.weight.detach())
    return training.finished


def table(older: Tensor, meanings: Tensor) -> Tensor:
    """(tokens, width) rows to begin with, from the (tokens, older width) of a model and the
    (tokens, width) of what they mean. A row of zeros is a token that the model never read: it gets
    what a ridge regression from meanings to the rows of the others says."""
    width = meanings.shape[1]
    read = older.abs().amax(1) > 0
    known, told = older[read], meanings[read]
    ridge = 0.01 * told.square().sum() / width * torch.eye(width).to(told)
    guessed = meanings @ torch.linalg.solve(told.T @ told + ridge, told.T @ known)
    whole = torch.where(read[:, None], older, guessed)
    directions = torch.linalg.svd(known, full_matrices=False).Vh[:width]
    return nn.functional.pad(whole @ directions.T, (0, width - len(directions)))


def _take_over(unet: UNet, given: dict[str, Tensor], bridge: Tensor) -> None:
    """`bridge`: (older width, width)."""
    own: dict[str, Any] = unet.state_dict()
    fitting = {
        key: weight @ bridge if key.endswith(_OF_CONTEXT) else weight
        for key, weight in given.items()
    }
    fitting = {key: weight for key, weight in fitting.items() if own[key].shape == weight.shape}
    unet.load_state_dict(fitting, strict=False)
    print(f"{len(fitting)} of the UNet's {len(own)} tensors are the older ones", flush=True)

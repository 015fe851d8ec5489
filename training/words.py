"""The text encoder alone, before there is a UNet: it learns to say what pictures look like
(`looks`), and, where the training starts with an older model, what that one's said (`inheritance`).
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import run
from training.inheritance import Older
from training.looks import ACROSS, Asked, Captions, places
from training.networks import TextEncoder
from training.presets import Preset
from training.run import Run

_OF_NAMES, _OF_PLACES, _OF_OLDER = 0.3, 0.1, 0.1  # how much each weighs beside the picture
_COOLING = 0.6


class Missing(NamedTuple):
    """What the contexts do not say: shares of the variance of the picture and of what is named,
    and how little (nats) they say which patch they are about."""

    picture: Tensor
    named: Tensor
    place: Tensor


class Reader(nn.Module):
    """A text encoder, and the linear maps that read from its contexts what it should say."""

    def __init__(self, text: TextEncoder, captions: Captions) -> None:
        super().__init__()
        width = text.config.hidden_size
        self.text = text
        self.looks = nn.Linear(width, captions.looks.shape[2])
        self.patch = nn.Linear(width, captions.patches.shape[2])
        self.place = nn.Linear(width, ACROSS**2)

    def forward(self, asked: Asked) -> Missing:
        said = self.text(asked.words).last_hidden_state  # (batch, 77, width)
        spread = asked.patches.square().mean().clamp(min=1e-6)
        off = (self.patch(said) - asked.patches).square().mean(2) / spread
        other = (self.looks(said) - asked.looks).square().mean(2)
        right = places().to(said.device).expand(len(said), -1)
        lost = F.cross_entropy(self.place(said).transpose(1, 2), right, reduction="none")
        return Missing(_mean(off, asked.ended), _mean(other, asked.named), _mean(lost, asked.ended))


def learn(
    text: TextEncoder,
    preset: Preset,
    captions: Captions,
    older: Older | None,
    folder: Path,
    left: float,
) -> bool:
    """Trains `text`, and the older one's `bridge`, for at most `left` minutes; False if that was
    too little: the state is kept in `folder`."""
    device = run.device()
    network = nn.ModuleDict({"reader": Reader(text, captions)})
    if older is not None:
        network["bridge"] = older.bridge
    network.to(device)
    learnt = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, betas=(0.9, 0.98), weight_decay=0.0)
    parts = {"network": network, "optimizer": optimizer}
    training = Run(folder / "words.pt", parts, preset.words_minutes, left)
    training.resume()
    for progress in training.steps():
        missing = network["reader"](captions.batch(training.step).to(device))
        loss = missing.picture + _OF_NAMES * missing.named + _OF_PLACES * missing.place
        shown = {"pictures": missing.picture, "names": missing.named}
        if older is not None:
            shown["before"] = older.forgotten(text, training.step)
            loss = loss + _OF_OLDER * shown["before"]
        run.descend(optimizer, loss, run.rate(2e-3, training.step, progress, _COOLING))
        if training.step % 100 == 0:
            told = ", ".join(f"{each.item():.3f} of {what}" for what, each in shown.items())
            print(f"words {training.trained:.1f} min, step {training.step}: {told}", flush=True)
    return training.finished


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)

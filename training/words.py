"""The text encoder alone, before there is a UNet: it learns to say what pictures look like
(`looks`), and, where the training starts with an older model, what that one's said (`inheritance`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import run
from training.blends import blended
from training.inheritance import Older
from training.looks import ACROSS, Asked, Captions, joined, patches, places
from training.networks import TextEncoder
from training.presets import Preset
from training.run import Run

_OF_NAMES, _OF_PLACES, _OF_OLDER = 0.3, 0.1, 0.1  # how much each weighs beside the picture
_COOLING = 0.9
_RATE = 4e-3


class Missing(NamedTuple):
    """What the contexts do not say: shares of the variance of the picture and of what is named,
    and how little (nats) they say which patch they are about."""

    picture: Tensor
    named: Tensor
    place: Tensor


class Teller(nn.Module):
    """Reads from contexts the patches of a picture, about their mean, and puts them together; the
    picture's latents are of `side`."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        numbers = 4 * (side // ACROSS) ** 2
        self.patch = nn.Linear(width, numbers)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(ACROSS**2, numbers))

    def forward(self, said: Tensor) -> Tensor:
        """(batch, 77, numbers) of contexts, (batch, 77, width)."""
        patches: Tensor = self.patch(said)
        return patches

    def picture(self, said: Tensor, ended: Tensor, latents: Tensor) -> Tensor:
        """(batch, 4, side, side): what is said where captions have `ended`, (batch, 77); patches
        that are not said at all are those of `latents`."""
        weight = F.one_hot(places(), ACROSS**2).to(said.device) * ended[:, :, None].float()
        often = weight.sum(1)[:, :, None]
        found = weight.transpose(1, 2) @ self(said).float() / often.clamp(min=1) + self.mean
        return joined(torch.where(often > 0, found, patches(latents)))


class Reader(nn.Module):
    """A text encoder, and the linear maps that read from its contexts what it should say."""

    def __init__(self, text: TextEncoder, teller: Teller, captions: Captions) -> None:
        super().__init__()
        width = text.config.hidden_size
        self.text, self.teller = text, teller
        self.teller.mean.copy_(captions.mean)
        self.looks = nn.Linear(width, captions.looks.shape[2])
        self.place = nn.Linear(width, ACROSS**2)

    def forward(self, asked: Asked) -> Missing:
        with _read_between(self.text, asked):
            said = self.text(asked.words).last_hidden_state  # (batch, 77, width)
        spread = asked.patches.square().mean().clamp(min=1e-6)
        off = (self.teller(said) - asked.patches).square().mean(2) / spread
        other = (self.looks(said) - asked.looks).square().mean(2)
        right = places().to(said.device).expand(len(said), -1)
        lost = F.cross_entropy(self.place(said).transpose(1, 2), right, reduction="none")
        return Missing(_mean(off, asked.ended), _mean(other, asked.named), _mean(lost, asked.ended))


def learn(
    text: TextEncoder,
    teller: Teller,
    preset: Preset,
    captions: Captions,
    older: Older | None,
    folder: Path,
    left: float,
) -> bool:
    """Trains `text` with its `teller`, and the older one's `bridge`, for at most `left` minutes;
    False if that was too little: the state is kept in `folder`."""
    device = run.device()
    if device.type == "cpu":
        text.set_attn_implementation("eager")  # in bf16 half as long as the fused one
    network = nn.ModuleDict({"reader": Reader(text, teller, captions)})
    if older is not None:
        network["bridge"] = older.bridge
    network.to(device)
    muon, adamw = _optimizers(network)
    parts = {"network": network, "muon": muon, "adamw": adamw}
    training = Run(folder / "words.pt", parts, preset.words_minutes, left)
    training.resume()
    for progress in training.steps():
        asked = blended(captions.batch(training.step), captions, training.step).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            missing = network["reader"](asked)
            loss = missing.picture + _OF_NAMES * missing.named + _OF_PLACES * missing.place
            shown = {"pictures": missing.picture, "names": missing.named}
            if older is not None:
                shown["before"] = older.forgotten(text, training.step)
                loss = loss + _OF_OLDER * shown["before"]
        run.descend(loss, run.rate(_RATE, training.step, progress, _COOLING), muon, adamw)
        if training.step % 100 == 0:
            told = ", ".join(f"{each.item():.3f} of {what}" for what, each in shown.items())
            print(f"words {training.trained:.1f} min, step {training.step}: {told}", flush=True)
    return training.finished


def _optimizers(network: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; with AdamW's rates as in Liu et
    al. 2025, arXiv:2502.16982) for the matrices of the text encoder's layers, where a step of it
    brings a little more than one of AdamW; and that for all else."""
    learnt = {name: each for name, each in network.named_parameters() if each.requires_grad}
    matrices = {name: one for name, one in learnt.items() if ".layers." in name and one.ndim == 2}
    rest = [each for name, each in learnt.items() if name not in matrices]
    muon = torch.optim.Muon(
        matrices.values(), lr=_RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    return muon, torch.optim.AdamW(rest, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.0)


@contextmanager
def _read_between(text: TextEncoder, asked: Asked) -> Iterator[None]:
    """Has words read as what lies between them and others."""
    table = text.get_input_embeddings()
    others, share = table(asked.others), asked.share[:, None, None]
    between = table.register_forward_hook(lambda _, __, rows: rows.lerp(others, share))
    try:
        yield
    finally:
        between.remove()


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)

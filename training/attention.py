"""Attention that shows where it looks, and how far it looks up the right patch.

After a caption's end, each place of the context says one patch of the picture (`looks`). That each
place of the picture has to look up its own patch is found late by a UNet that is only told how far
its pictures are off: attention that looks everywhere learns about nothing in particular. So the
first heads of the middle and of the way up, whose features know where they are, are told where to
look. The way down is not: all that it knows of its place is how far the border is.

Where the picture has four places for a patch, all four would find the same there. In the first
attention of that size each of the four has a head of its own, which looks up the patch there and
looks at the caption's start, where nothing is said, elsewhere: its values are that quarter.
"""

from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from training.looks import ACROSS, places
from training.networks import UNet

HEADS = 2  # that are told, in each attention


class Shown:
    """Plain attention, as diffusers' `AttnProcessor`; `weights` are those of the last call, (heads
    of all the batch, places of the picture, places of the context)."""

    def __init__(self) -> None:
        self.weights: Tensor | None = None

    def __call__(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        *_: Any,
        **__: Any,
    ) -> Tensor:
        asked, keys, values = (
            attention.head_to_batch_dim(each)
            for each in (
                attention.to_q(hidden_states),
                attention.to_k(encoder_hidden_states),
                attention.to_v(encoder_hidden_states),
            )
        )
        self.weights = attention.get_attention_scores(asked, keys, None)
        found = attention.batch_to_head_dim(torch.bmm(self.weights, values))
        made: Tensor = attention.to_out[1](attention.to_out[0](found))
        return made


def show(unet: UNet, plain: bool) -> list[Shown]:
    """Has the cross-attentions of the middle and of the way up show where they look; and, if
    `plain`, the others compute as these do, which is faster without a GPU."""
    if plain:
        unet.set_attn_processor(AttnProcessor())
    shown = []
    for name, part in unet.named_modules():
        if name.endswith("attn2") and not name.startswith("down"):
            shown.append(Shown())
            part.set_processor(shown[-1])
    return shown


def astray(shown: list[Shown], ended: Tensor) -> Tensor:
    """The mean over attentions, places and captions of -log(how much of the look goes to where the
    place's own patch is said), in nats. `ended`: (batch, 77), where a caption has ended; a row
    without any, of an empty caption, does not count."""
    given = [one.weights for one in shown if one.weights is not None]
    finer = [number for number, each in enumerate(given) if each.shape[1] > ACROSS**2]
    each = [_astray(weights, ended, number in finer[:1]) for number, weights in enumerate(given)]
    asked = ended.any(1).float()
    return (torch.stack(each).mean(0) * asked).sum() / asked.sum().clamp(min=1)


def _astray(weights: Tensor, ended: Tensor, by_part: bool) -> Tensor:
    """(batch,)"""
    batch, length = ended.shape
    own = _own(weights.shape[1]).to(ended.device)
    right = (own & ended[:, None])[:, None]  # (batch, 1, places of the picture, length)
    heads = weights.float().view(batch, -1, len(own), length)
    if by_part:
        start = torch.arange(length, device=ended.device) == 0
        its = _parts(len(own), heads.shape[1]).to(ended.device)
        right = torch.where(its[:, :, None], right, start)
    else:
        heads = heads[:, :HEADS]
    found = (heads * right).sum(3)
    return -found.clamp(min=1e-4).log().mean((1, 2))


def _parts(count: int, heads: int) -> Tensor:
    """(heads, count): whether each place is in the part of its patch that is the head's."""
    side = int(count**0.5)
    line = torch.arange(side) % (side // ACROSS)
    part = (line[:, None] * (side // ACROSS) + line).flatten()
    return part == torch.arange(heads)[:, None]


def _own(count: int) -> Tensor:
    """(count, 77): whether what is said there is a patch that this place of the picture lies in, or
    that lies in this place."""
    side = int(count**0.5)
    said = places()
    middles = (torch.arange(side) + 0.5) / side
    reach = 0.5 / min(side, ACROSS) + 1e-3
    down, across = (
        (middles[:, None] - (line + 0.5) / ACROSS).abs() < reach
        for line in (said // ACROSS, said % ACROSS)
    )
    return (down[:, None] & across).flatten(0, 1)

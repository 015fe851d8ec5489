"""A TAESD: a network small enough to decode the latent of every step, for previews.

Which of those that are there goes with a VAE, no name tells for certain (SD's and SDXL's have the
same shapes); it is the one whose pictures are nearest to the VAE's own.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import torch
from diffusers.models.autoencoders.vae import DecoderTiny
from torch import Tensor, nn

from webui.engine.latents import discs
from webui.engine.tensors import filled, mapped, refusing
from webui.errors import ModelRefused
from webui.library import TinyDecoder

log = logging.getLogger(__name__)


class Decoding(Protocol):
    """What it has to stand for: a `Vae`."""

    @property
    def latent_channels(self) -> int: ...
    @property
    def scale_factor(self) -> int: ...
    def encode(self, images: Tensor) -> Tensor: ...
    def decode(self, latents: Tensor) -> Tensor: ...
    def latent_to_rgb(self, latents: Tensor) -> Tensor: ...


@torch.no_grad()
def fitting(
    offered: Sequence[TinyDecoder], vae: Decoding, where: torch.device, dtype: torch.dtype
) -> nn.Module | None:
    """The one that is nearest to what the VAE decodes, unless the linear guess is nearer."""
    factor = vae.scale_factor
    latents = vae.encode(discs(4, 8 * factor).to(where))
    wanted = vae.decode(latents)
    linear = vae.latent_to_rgb(latents).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    best, least = None, _error(linear, wanted)
    for each in offered:
        if (each.channels, each.scale_factor) != (vae.latent_channels, factor):
            continue
        try:
            network = loaded(each, where, dtype)
        except ModelRefused as problem:
            log.warning("%s", problem)
            continue
        error = _error(decoded(network, latents), wanted)
        if error < least:
            best, least = network, error
    return best


def loaded(decoder: TinyDecoder, where: torch.device, dtype: torch.dtype) -> nn.Module:
    """Raises ModelRefused."""
    widths = (decoder.width,) * len(decoder.blocks)
    make = partial(DecoderTiny, decoder.channels, 3, decoder.blocks, widths, 2, "relu", "nearest")
    with refusing(decoder.path.name):
        tensors = mapped(decoder.path, decoder.prefix)
        return filled(make, {_renamed(key, decoder): tensors[key] for key in tensors}, where, dtype)


def decoded(network: Any, latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 3, H, W) in [-1, 1]."""
    dtype = next(network.parameters()).dtype
    return network(latents.to(dtype)).float().clamp(-1, 1)  # type: ignore[no-any-return]


def _renamed(key: str, decoder: TinyDecoder) -> str:
    number, _, rest = key.removeprefix(decoder.prefix).partition(".")
    return f"layers.{int(number) - decoder.first}.{rest}" if number.isdigit() else key


def _error(made: Tensor, wanted: Tensor) -> float:
    """NaN is never less than anything."""
    return float((made - wanted).square().mean())

"""Pictures into latents and back, in tiles where memory does not suffice for the whole.

Knows no run and no request.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from webui.engine.device import Device, free, memory_for
from webui.errors import NotFinite, OutOfMemory
from webui.interfaces import Model


def decoded(model: Model, latent: Tensor, device: Device) -> tuple[Tensor, bool]:
    """(1, C, h, w) -> the image (1, 3, H, W) in [-1, 1], and whether memory forced tiles.

    Raises OutOfMemory; NotFinite, if there is NaN or Inf in it.
    """
    whole, tiles = model.decode, model.decode_tiled
    return _done(whole, tiles, latent, device, "decoding the picture", "made NaN or Inf of")


def encoded(model: Model, image: Tensor, device: Device) -> tuple[Tensor, bool]:
    """(1, 3, H, W) in [-1, 1] -> its latent (1, C, h, w), and whether memory forced tiles.

    Raises as `decoded`.
    """
    whole, tiles = model.encode, model.encode_tiled
    return _done(whole, tiles, image, device, "encoding the picture", "read NaN or Inf in")


def _done(
    whole: Callable[[Tensor], Tensor],
    tiles: Callable[[Tensor], Tensor],
    given: Tensor,
    device: Device,
    stage: str,
    wrong: str,
) -> tuple[Tensor, bool]:
    tiled = False
    try:
        with memory_for(stage):
            made = whole(given)
    except OutOfMemory:
        free(device)
        tiled = True
        with memory_for(f"{stage} in tiles"):
            made = tiles(given)
    if not bool(torch.isfinite(made).all()):
        raise NotFinite(f"the VAE {wrong} the picture; --dtype fp32 may help")
    return made, tiled

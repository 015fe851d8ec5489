"""What a latent looks like: the linear map from its channels to colours.

Published matrices exist for a few VAEs; fitting one takes a moment, works for every VAE, and needs
no list of models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """How a family's latents are laid out, and the colours they stand for."""

    channels: int
    factor: int  # pixels per latent cell, each way
    to_rgb: Tensor  # (3, C), float32, on the CPU
    bias: Tensor  # (3,), float32, on the CPU

    def rgb(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h, w) in [-1, 1], on the latents' device."""
        matrix, bias = self.to_rgb.to(latents.device), self.bias.to(latents.device)
        picture = torch.einsum("bchw,rc->brhw", latents.float(), matrix) + bias[:, None, None]
        return picture.clamp(-1, 1)


def fit(encode: Callable[[Tensor], Tensor], channels: int, factor: int) -> LatentFormat:
    """The least-squares map from latents to colours, over a few simple pictures.

    `encode` takes (B, 3, H, W) in [-1, 1] to scaled latents (B, C, H/factor, W/factor).
    """
    pictures = discs(48, 8 * factor)
    latents = encode(pictures).float().cpu()  # (48, C, 8, 8)
    colours = functional.avg_pool2d(pictures, factor)  # (48, 3, 8, 8)
    cells = latents.movedim(1, -1).reshape(-1, channels)
    ones = torch.ones(len(cells), 1)
    solution = torch.linalg.lstsq(
        torch.cat([cells, ones], dim=1), colours.movedim(1, -1).reshape(-1, 3)
    ).solution  # (C + 1, 3)
    return LatentFormat(channels, factor, solution[:channels].T.contiguous(), solution[channels])


def discs(count: int, size: int) -> Tensor:
    """(count, 3, size, size): on each a disc of one colour before another, white and black often.

    Flat areas with an edge: nearer to real pictures than gradients are, and as quickly made.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    colours = (torch.rand((2, count, 3, 1, 1), generator=generator) * 2.6 - 1.3).clamp(-1, 1)
    centre = torch.rand((2, count, 1, 1), generator=generator) * size
    radius = (torch.rand((count, 1, 1), generator=generator) * 3 + 1) * size / 8
    at = torch.arange(size)
    distance = ((at[:, None] - centre[0]) ** 2 + (at[None, :] - centre[1]) ** 2) ** 0.5
    return torch.where((distance < radius)[:, None], colours[0], colours[1])

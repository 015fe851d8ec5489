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
    """The least-squares map from latents to colours, over a few smooth pictures.

    `encode` takes (B, 3, H, W) in [-1, 1] to scaled latents (B, C, H/factor, W/factor).
    """
    generator = torch.Generator("cpu").manual_seed(0)
    coarse = torch.rand((24, 3, 4, 4), generator=generator) * 2.4 - 1.2
    pictures = functional.interpolate(coarse, size=8 * factor, mode="bicubic").clamp(-1, 1)
    latents = encode(pictures).float().cpu()  # (24, C, 8, 8)
    colours = functional.avg_pool2d(pictures, factor)  # (24, 3, 8, 8)
    cells = latents.movedim(1, -1).reshape(-1, channels)
    ones = torch.ones(len(cells), 1)
    solution = torch.linalg.lstsq(
        torch.cat([cells, ones], dim=1), colours.movedim(1, -1).reshape(-1, 3)
    ).solution  # (C + 1, 3)
    return LatentFormat(channels, factor, solution[:channels].T.contiguous(), solution[channels])

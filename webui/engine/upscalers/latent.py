"""Latents made larger as they are: A1111's six modes, which are torch's interpolations."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import interpolate


def latent(latents: Tensor, size: tuple[int, int], mode: str, antialias: bool = False) -> Tensor:
    """(B, C, h, w) -> (B, C, *size)."""
    return interpolate(latents, size=size, mode=mode, antialias=antialias)


MODES: Mapping[str, Callable[[Tensor, tuple[int, int]], Tensor]] = MappingProxyType(
    {
        "Latent": partial(latent, mode="bilinear"),
        "Latent (antialiased)": partial(latent, mode="bilinear", antialias=True),
        "Latent (bicubic)": partial(latent, mode="bicubic"),
        "Latent (bicubic antialiased)": partial(latent, mode="bicubic", antialias=True),
        "Latent (nearest)": partial(latent, mode="nearest"),
        "Latent (nearest-exact)": partial(latent, mode="nearest-exact"),
    }
)

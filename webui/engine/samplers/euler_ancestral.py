"""Euler steps that overshoot and add fresh noise back. Random: keeps changing with more steps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def euler_ancestral(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, past: Sequence[Step] = ()
) -> Iterator[Step]:
    """The variance split is DDPM's posterior in sigma form (Ho et al. 2020, arXiv:2006.11239)."""
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        added = sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5
        target = (sigma_next**2 - added**2) ** 0.5
        x = x + (x - denoised) / sigma * (target - sigma)
        if sigma_next > 0:
            x = x + noise(sigma, sigma_next) * added
        yield Step(x, denoised)

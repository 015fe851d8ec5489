"""Euler's method on the probability-flow ODE. Deterministic, first order."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def euler(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, past: Sequence[Step] = ()
) -> Iterator[Step]:
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without the correction step."""
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        slope = (x - denoised) / sigma
        x = x + slope * (sigma_next - sigma)
        yield Step(x, denoised)

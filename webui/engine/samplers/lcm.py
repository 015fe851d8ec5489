"""LCM: jumps to the clean guess and noises it again; for models distilled for it. One call."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def lcm(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, past: Sequence[Step] = ()
) -> Iterator[Step]:
    """Luo et al. 2023 (arXiv:2310.04378), algorithm 3: multistep consistency sampling."""
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        x = denoised = denoise(x, sigma)
        if sigma_next > 0:
            x = denoised + noise(sigma, sigma_next) * sigma_next
        yield Step(x, denoised)

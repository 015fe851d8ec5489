"""DPM-Solver++ (2M): one model call a step, and the call before it. Deterministic, second order."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def dpmpp_2m(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, past: Sequence[Step] = ()
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2211.01095), algorithm 2, in sigma form: lambda = -log(sigma)."""
    before = past[-1].denoised if past else None
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        if i < len(past):
            continue
        denoised = denoise(x, sigma)
        guess = denoised
        if before is not None and sigma_next > 0:
            ratio = (sigmas[i - 1] / sigma).log() / (sigma / sigma_next).log()  # h_last / h
            guess = denoised + (denoised - before) * ratio.reciprocal() / 2
        x = (sigma_next / sigma) * x + (1 - sigma_next / sigma) * guess
        before = denoised
        yield Step(x, denoised)

"""DPM-Solver-2: the slope in the middle of a step, by log noise level. Second order, two calls."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import Churn
from webui.interfaces import Denoiser, Noise, Step


def dpm2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2206.00927), algorithm 1, with Karras' churn; as in k-diffusion."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        x, raised = churn.raised(x, sigma, sigma_next, noise)
        denoised = denoise(x, raised)
        x = dpm2_step(denoise, x, denoised, raised, sigma_next)
        yield Step(x, denoised)


def dpm2_step(
    denoise: Denoiser, x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor
) -> Tensor:
    """From `sigma`, where the guess is `denoised`, to `sigma_next`; straight there if that is 0."""
    if sigma_next == 0:
        return denoised
    middle = (sigma * sigma_next).sqrt()
    halfway = denoised + (x - denoised) * (middle / sigma)
    slope = (halfway - denoise(halfway, middle)) / middle
    return x + slope * (sigma_next - sigma)

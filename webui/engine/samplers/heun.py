"""Heun's method: an Euler step, corrected by the slope at its end. Second order, two calls."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import Churn
from webui.interfaces import Denoiser, Noise, Step


def heun(
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
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        x, raised = churn.raised(x, sigma, sigma_next, noise)
        x, denoised = heun_step(denoise, x, raised, sigma_next)
        yield Step(x, denoised)


def heun_step(
    denoise: Denoiser, x: Tensor, sigma: Tensor, sigma_next: Tensor
) -> tuple[Tensor, Tensor]:
    """Lines 7 to 11 of the algorithm: the next latent, and the guess at this one."""
    denoised = denoise(x, sigma)
    predicted = denoised + (x - denoised) * (sigma_next / sigma)
    if sigma_next == 0:
        return predicted, denoised
    slope = (x - denoised) / sigma
    slope_next = (predicted - denoise(predicted, sigma_next)) / sigma_next
    return x + (slope + slope_next) / 2 * (sigma_next - sigma), denoised

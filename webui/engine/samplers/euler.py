"""Euler's method on the probability-flow ODE. First order, deterministic unless churned."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import Churn
from webui.interfaces import Denoiser, Noise, Step


def euler(
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
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without the correction step."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        x, raised = churn.raised(x, sigma, sigma_next, noise)
        denoised = denoise(x, raised)
        x = denoised + (x - denoised) * (sigma_next / raised)
        yield Step(x, denoised)

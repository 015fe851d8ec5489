"""DPM-Solver-23: the size of each step follows from how much two methods differ on it.

The number of steps is not in the request: it takes as many as the tolerances ask for. It has to
know of each step the lower method's latent and the size of the next one; both are kept with it,
so that it goes on exactly. How many steps there will be is a guess from the size of the next.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from webui.engine.dpm_solver import Stride, level, split, time
from webui.errors import InvalidRequest, NotFinite
from webui.interfaces import Denoiser, Noise, Pace, Step

RELATIVE, ABSOLUTE = 0.05, 0.0078  # tolerances of the paper, section 3.4
FIRST = 0.05  # size of the first step, in log noise level
SAFETY = 0.81  # a step whose size would shrink below this share is made again
NEAR = 1e-5


def dpm_adaptive(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
    order: int = 3,
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2206.00927), appendix C, with k-diffusion's step control."""
    if order not in (2, 3):
        raise InvalidRequest("sampling.order", f"must be 2 or 3 for DPM adaptive, got {order}")
    start, end = time(float(sigmas[0])), time(float(sigmas[max(0, len(sigmas) - 2)]))
    made, low, t, h = len(past), x, start, FIRST
    if past:
        pace, memory = past[-1].pace, past[-1].memory
        if pace is None or memory is None or pace.sigma == 0:
            return
        low, t, h = memory, time(pace.sigma), pace.ahead
    while t < end - NEAR:
        stride, grown = Stride(denoise, x, t, sigmas), 0.0
        while grown < SAFETY:
            t_next = min(end, t + h)
            target, up = split(t, t_next, end, eta)
            lower, higher = _both(stride, target, order)
            grown = _growth(_difference(lower, higher, low), 1.5 if eta else order)
            h *= grown
        x, low = higher, lower
        if eta > 0:
            drawn = noise(sigmas.new_tensor(level(t)), sigmas.new_tensor(level(t_next)))
            x = x + drawn * (s_noise * up)
        made += 1
        sigma = level(t_next)
        t = time(sigma)  # exactly what comes back from a kept step
        still = math.ceil((end - t - NEAR) / h)  # steps, if they stay as large as the next one
        yield Step(x, stride.denoised, low, Pace(sigma, made + max(0, still) + 1, h))
    clean = denoise(x, sigmas.new_tensor(level(t)))
    yield Step(clean, clean, clean, Pace(0.0, made + 1))


def _both(stride: Stride, t_next: float, order: int) -> tuple[Tensor, Tensor]:
    """The same step by the lower method and by the higher one."""
    if order == 2:
        return stride.to(t_next, 1), stride.to(t_next, 2)
    change = stride.slope_at(t_next, 1 / 3)
    return stride.second(t_next, 1 / 3, change), stride.third(t_next, change)


def _difference(lower: Tensor, higher: Tensor, before: Tensor) -> float:
    """In units of the tolerance; 1 is just allowed. The worst image of a batch counts."""
    allowed = (RELATIVE * torch.maximum(lower.abs(), before.abs())).clamp(min=ABSOLUTE)
    error = ((lower - higher) / allowed).square().flatten(1).mean(1).sqrt().max().item()
    if not math.isfinite(error):
        raise NotFinite("DPM adaptive met NaN or Inf; a lower guidance scale may help")
    return error


def _growth(error: float, order: float) -> float:
    """By which factor the step size changes: an integral controller, limited to 0.2 to 2.6."""
    return 1 + math.atan((1 / (error + 1e-8)) ** (1 / order) - 1)

"""DPM-Solver-fast: third-order steps, as many model calls in all as there are steps, and one more.

It goes through the noise levels between the first and the last but one in its own, evenly spaced
(by logarithm) steps: a third as many. The one more takes what noise is then left.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.engine.dpm_solver import Stride, level, split, time
from webui.interfaces import Denoiser, Noise, Pace, Step


def dpm_fast(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2206.00927), section 3.4; draws as k-diffusion does."""
    calls = len(sigmas) - 1
    orders = fast_orders(calls) if calls > 1 else []
    start, end = time(float(sigmas[0])), time(float(sigmas[max(0, calls - 1)]))
    times = [start + (end - start) * i / max(1, len(orders)) for i in range(len(orders) + 1)]
    for i in range(len(past), len(orders)):
        t, t_next = times[i], times[i + 1]
        target, up = split(t, t_next, end, eta)
        stride = Stride(denoise, x, t, sigmas)
        x = stride.to(target, orders[i])
        if eta > 0:
            drawn = noise(sigmas.new_tensor(level(t)), sigmas.new_tensor(level(t_next)))
            x = x + drawn * (s_noise * up)
        yield Step(x, stride.denoised, pace=Pace(level(t_next), len(orders) + 1))
    if len(past) <= len(orders):
        clean = denoise(x, sigmas.new_tensor(level(times[-1])))
        yield Step(clean, clean, pace=Pace(0.0, len(orders) + 1))


def fast_orders(calls: int) -> list[int]:
    """The orders of the steps that take `calls` model calls together."""
    threes, rest = divmod(calls, 3)
    return [3] * threes + [rest] if rest else [3] * (threes - 1) + [2, 1]

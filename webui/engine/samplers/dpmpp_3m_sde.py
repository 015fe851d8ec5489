"""DPM-Solver++ (3M) for the SDE: the two guesses before, and fresh noise. One call a step."""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def dpmpp_3m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The SDE of Lu et al. 2022 (arXiv:2211.01095), appendix D, with a parabola through guesses.

    As k-diffusion has it. The weights are the phi functions of exponential integrators; the bend's
    would have to be twice as large for third order, so it is second, with a small error.
    """
    guesses = [step.denoised for step in past[-2:]]
    levels = sigmas.tolist()
    for i in range(len(past), len(levels) - 1):
        sigma, sigma_next = levels[i], levels[i + 1]
        denoised = denoise(x, sigmas[i])
        if sigma_next == 0:
            yield Step(denoised, denoised)
            return
        h = math.log(sigma / sigma_next)
        whole = h * (1 + eta)
        phi_1 = math.expm1(-whole)
        phi_2 = phi_1 / whole + 1
        x = math.exp(-whole) * x - phi_1 * denoised
        guesses = [*guesses[-2:], denoised]
        if len(guesses) > 1:
            change, bend = _curve(guesses, levels[: i + 2], h)
            x = x + phi_2 * change
            if bend is not None:
                x = x - (phi_2 / whole - 0.5) * bend
        if eta > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + noise(sigmas[i], sigmas[i + 1]) * (s_noise * spread)
        yield Step(x, denoised)


def _curve(
    guesses: Sequence[Tensor], levels: Sequence[float], h: float
) -> tuple[Tensor, Tensor | None]:
    """How the guess changes over the step of size h and, with three of them, how that bends."""
    back = math.log(levels[-3] / levels[-2]) / h
    change = (guesses[-1] - guesses[-2]) / back
    if len(guesses) < 3:
        return change, None
    further = math.log(levels[-4] / levels[-3]) / h
    bend = (change - (guesses[-2] - guesses[-3]) / further) / (back + further)
    return change + bend * back, bend

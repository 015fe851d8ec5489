"""ER-SDE: a family of SDEs between DDPM and the ODE, by up to three guesses. One call a step."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from torch import Tensor

from webui.errors import InvalidRequest
from webui.interfaces import Denoiser, Noise, Step

# phi of the paper: how fast noise is replaced. sigma: not at all; sigma^2: as in DDPM.
SCALES: Mapping[str, Callable[[float], float]] = {
    "er_sde": lambda sigma: sigma * (math.exp(sigma**0.3) + 10),
    "reverse_sde": lambda sigma: sigma**2,
    "ode": lambda sigma: sigma,
}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def er_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    s_noise: float = 1.0,
    order: int = 3,
    solver_type: str = "er_sde",
) -> Iterator[Step]:
    """Cui et al. 2023 (arXiv:2309.06169), algorithm 2 (variance exploding), by any of SCALES.

    With D, D', D'' the guess and its derivatives by sigma, from s to t = sigma_next:
    x_t = r x + (1 - r) D + (t - s + phi(t) I_0) D' + ((t - s)^2 / 2 + phi(t) I_1) D'', where
    r = phi(t) / phi(s) and I_k is the integral from t to s of (sigma - s)^k / phi(sigma). As in the
    paper's code D' is the slope between two guesses, which keeps it at second order.
    """
    _check(order, solver_type)
    phi, levels = SCALES[solver_type], sigmas.tolist()
    guesses = [step.denoised for step in past[-2:]]
    for i in range(len(past), len(levels) - 1):
        s, t = levels[i], levels[i + 1]
        denoised = denoise(x, sigmas[i])
        if t == 0:
            yield Step(denoised, denoised)
            return
        ratio = phi(t) / phi(s)
        x = ratio * x + (1 - ratio) * denoised
        guesses = [*guesses[-2:], denoised]
        for k, derivative in enumerate(_derivatives(guesses[-order:], levels[: i + 1]), 1):
            x = x + ((t - s) ** k / k + phi(t) * _integral(phi, s, t, k - 1)) * derivative
        if solver_type != "ode":
            spread = math.sqrt(t**2 - (s * ratio) ** 2)
            x = x + noise(sigmas[i], sigmas[i + 1]) * (s_noise * spread)
        yield Step(x, denoised)


def _check(order: int, solver_type: str) -> None:
    if not 1 <= order <= 3:
        raise InvalidRequest("sampling.order", f"must be from 1 to 3 for ER-SDE, got {order}")
    if solver_type not in SCALES:
        known = ", ".join(SCALES)
        raise InvalidRequest("sampling.solver_type", f"must be one of {known}, got {solver_type}")


def _derivatives(guesses: Sequence[Tensor], levels: Sequence[float]) -> list[Tensor]:
    """The first and, with three guesses, the second derivative by sigma; newest last in both."""
    if len(guesses) < 2:
        return []
    first = (guesses[-1] - guesses[-2]) / (levels[-1] - levels[-2])
    if len(guesses) < 3:
        return [first]
    before = (guesses[-2] - guesses[-3]) / (levels[-2] - levels[-3])
    return [first, (first - before) / ((levels[-1] - levels[-3]) / 2)]


def _integral(phi: Callable[[float], float], s: float, t: float, k: int) -> float:
    """From t to s of (sigma - s)^k / phi(sigma), by Gauss' rule over log sigma."""
    middle, reach = math.log(s * t) / 2, math.log(s / t) / 2
    points = [math.exp(middle + reach * node) for node in _NODES.tolist()]
    values = [(sigma - s) ** k / phi(sigma) * sigma for sigma in points]
    return reach * math.fsum(w * value for w, value in zip(_WEIGHTS.tolist(), values, strict=True))

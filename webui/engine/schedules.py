"""Noise schedules: n steps -> n + 1 sigmas, falling, the last one 0.

A schedule knows the noise levels a model was trained on, and nothing else of it. `sigma_min` and
`sigma_max` replace the lowest and the highest of those; `shift` moves those of a rectified flow.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from webui.engine.beta import beta_quantile
from webui.errors import InvalidRequest
from webui.interfaces import Levels, Schedule


class DiscreteLevels:
    """The levels of a model trained on T discrete timesteps, interpolated in log sigma."""

    flow = False

    def __init__(self, alphas_cumprod: Tensor, align_your_steps: Sequence[float] = ()) -> None:
        """`alphas_cumprod` (T,): the share of signal (variance) left at each timestep, falling."""
        # a schedule with zero terminal SNR ends at 0, an infinite sigma; 2**-24 is near enough
        kept = alphas_cumprod.double().clamp(min=2**-24)
        self._log_sigmas = (((1 - kept) / kept) ** 0.5).log()
        self.align_your_steps = tuple(align_your_steps)

    @property
    def sigmas(self) -> Tensor:
        return self._log_sigmas.exp().float()

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        log_sigma = sigma.double().clamp(min=1e-10).log()
        table = self._log_sigmas
        low = (torch.searchsorted(table, log_sigma) - 1).clamp(0, len(table) - 2)
        share = (log_sigma - table[low]) / (table[low + 1] - table[low])
        return (low + share.clamp(0, 1)).float()

    def t_to_sigma(self, t: Tensor) -> Tensor:
        t = t.double().clamp(0, len(self._log_sigmas) - 1)
        low = t.floor().long().clamp(max=len(self._log_sigmas) - 2)
        low_log, high_log = self._log_sigmas[low], self._log_sigmas[low + 1]
        return (low_log + (t - low) * (high_log - low_log)).exp().float()

    def shifted(self, shift: float | None) -> "DiscreteLevels":
        if shift is not None:
            raise InvalidRequest(
                "schedule_options.shift", "moves the noise levels of flow models; this is none"
            )
        return self


# --- by the model's own timesteps ----------------------------------------------------------------


def uniform(n: int, levels: Levels, *, shift: float | None = None) -> Tensor:
    """Evenly spaced in training timesteps, from the last to the first; k-diffusion's default."""
    levels = levels.shifted(shift)
    last = len(levels.sigmas) - 1
    return _ended(levels.t_to_sigma(torch.linspace(last, 0, n, dtype=torch.float64)))


def normal(
    n: int,
    levels: Levels,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    shift: float | None = None,
) -> Tensor:
    """Uniform, between any two levels."""
    levels = levels.shifted(shift)
    high, low = _timesteps(levels, sigma_min, sigma_max)
    return _ended(levels.t_to_sigma(torch.linspace(high, low, n, dtype=torch.float64)))


def sgm_uniform(
    n: int,
    levels: Levels,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    shift: float | None = None,
) -> Tensor:
    """Normal with one level more, the lowest left out: Stability's generative-models.

    It is the "trailing" spacing of Lin et al. 2023 (arXiv:2305.08891), table 2.
    """
    levels = levels.shifted(shift)
    high, low = _timesteps(levels, sigma_min, sigma_max)
    return _ended(levels.t_to_sigma(torch.linspace(high, low, n + 1, dtype=torch.float64)[:-1]))


def simple(n: int, levels: Levels, *, shift: float | None = None) -> Tensor:
    """Every (T / n)-th of the table, from its end."""
    table = levels.shifted(shift).sigmas
    stride = len(table) / n
    return _ended(torch.stack([table[-1 - int(i * stride)] for i in range(n)]))


def ddim(n: int, levels: Levels, *, shift: float | None = None) -> Tensor:
    """Every (T // n)-th of the table, from its second: Song et al. 2020 (arXiv:2010.02502).

    Exactly n of them, so that it begins lower where n does not divide T: at 150 steps from timestep
    895 of 999. A1111 goes on upwards instead, and takes more steps than were asked for (167).
    """
    table = levels.shifted(shift).sigmas
    stride = max(len(table) // n, 1)
    return _ended(torch.stack([table[1 + i * stride] for i in reversed(range(n))]))


# --- by formula, between two levels ---------------------------------------------------------------


def karras(
    n: int,
    levels: Levels,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float = 7.0,
) -> Tensor:
    """Dense near zero: Karras et al. 2022 (arXiv:2206.00364), equation 5."""
    _check_added(levels, "Karras")
    low, high = _ends(levels, sigma_min, sigma_max)
    return karras_between(n, torch.tensor(low), torch.tensor(high), rho)


def karras_between(n: int, low: Tensor, high: Tensor, rho: float = 7.0) -> Tensor:
    """(n + 1,) from `high` to `low`, then 0."""
    root = torch.linspace(float(high) ** (1 / rho), float(low) ** (1 / rho), n, dtype=torch.float64)
    return _ended(root**rho)


def exponential(
    n: int, levels: Levels, *, sigma_min: float | None = None, sigma_max: float | None = None
) -> Tensor:
    """Evenly spaced in log sigma."""
    _check_added(levels, "Exponential")
    return polyexponential(n, levels, sigma_min=sigma_min, sigma_max=sigma_max)


def polyexponential(
    n: int,
    levels: Levels,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float = 1.0,
) -> Tensor:
    """A power of an even spacing in log sigma; at rho 1 Exponential."""
    _check_added(levels, "Polyexponential")
    low, high = (math.log(end) for end in _ends(levels, sigma_min, sigma_max))
    share = torch.linspace(1, 0, n, dtype=torch.float64) ** rho
    return _ended((low + share * (high - low)).exp())


def kl_optimal(
    n: int, levels: Levels, *, sigma_min: float | None = None, sigma_max: float | None = None
) -> Tensor:
    """Even in arctan sigma: Sabour et al. 2024 (arXiv:2404.14507), theorem 3.1; its last is 0."""
    _check_added(levels, "KL Optimal")
    low, high = (math.atan(end) for end in _ends(levels, sigma_min, sigma_max))
    return _ended(torch.linspace(high, low, n + 1, dtype=torch.float64)[:-1].tan())


def beta(
    n: int,
    levels: Levels,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    shift: float | None = None,
) -> Tensor:
    """Quantiles of Beta(0.6, 0.6): dense at both ends; Lee et al. 2024 (arXiv:2407.12173).

    Over sigma, as A1111 and diffusers have it; of a rectified flow over timesteps, as the paper and
    ComfyUI have it: there sigma knows nothing of the shift.
    """
    levels = levels.shifted(shift)
    shares = torch.from_numpy(beta_quantile(np.linspace(1, 0, n), 0.6))
    if levels.flow:
        last, first = _timesteps(levels, sigma_min, sigma_max)
        return _ended(levels.t_to_sigma(first + shares * (last - first)))
    low, high = _ends(levels, sigma_min, sigma_max)
    return _ended(low + shares * (high - low))


def linear_quadratic(n: int, levels: Levels, *, sigma_max: float | None = None) -> Tensor:
    """Half the steps take the first 2.5 % in a line, the rest a parabola that goes on smoothly.

    Polyak et al. 2024 (arXiv:2410.13720), section 3.4.2; for models that draw in the first steps.
    """
    high, first, half = _ends(levels, None, sigma_max)[1], 0.025, n // 2
    done = [first * i / half for i in range(half)]
    for j in range(n - half):
        line = first + first * j / half if half else 0.0
        bend = 1 - first * n / half if half else 0.0
        done.append(line + bend * (j / (n - half)) ** 2)
    return _ended(high * (1 - torch.tensor(done, dtype=torch.float64)))


def align_your_steps(n: int, levels: Levels) -> Tensor:
    """The family's published list, interpolated in log sigma.

    Sabour et al. 2024 (arXiv:2404.14507). Raises InvalidRequest where the family has none.
    """
    _check_added(levels, "Align Your Steps")
    listed = levels.align_your_steps
    if not listed:
        raise InvalidRequest(
            "schedule", "Align Your Steps is not published for this kind of model; try Karras"
        )
    at = np.linspace(0, len(listed) - 1, n)
    return _ended(torch.from_numpy(np.exp(np.interp(at, np.arange(len(listed)), np.log(listed)))))


SCHEDULES: Mapping[str, Schedule] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
    "Linear-quadratic": linear_quadratic,
}

# those that mean something for rectified flows; the first one is what Automatic means there
FOR_FLOWS = ("SGM Uniform", "Simple", "Uniform", "Normal", "DDIM", "Beta", "Linear-quadratic")


def without_penultimate(schedule: Callable[[int], Tensor], n: int) -> Tensor:
    """n steps of a schedule of n + 1, whose last but one level is left out; as in k-diffusion.

    For samplers whose second call would look at a level too near to 0.
    """
    sigmas = schedule(n + 1)
    return torch.cat([sigmas[:-2], sigmas[-1:]])


def _ends(levels: Levels, low: float | None, high: float | None) -> tuple[float, float]:
    """The lowest and the highest level. Raises InvalidRequest unless they are in this order."""
    table = levels.sigmas
    low = float(table[0]) if low is None else low
    high = float(table[-1]) if high is None else high
    if low >= high:
        raise InvalidRequest(
            "schedule_options.sigma_min",
            f"must be below sigma_max; got {low:g} and {high:g} with what the model adds",
        )
    check_level(levels, "sigma_max", high)
    return low, high


def check_level(levels: Levels, name: str, highest: float) -> None:
    """Raises InvalidRequest for more than all of a flow's noise."""
    if levels.flow and highest > 1:
        raise InvalidRequest(
            f"schedule_options.{name}",
            f"is at most 1 with a flow model, which is noise alone; got {highest:g}",
        )


def _check_added(levels: Levels, name: str) -> None:
    """Raises InvalidRequest for a rectified flow's levels."""
    if levels.flow:
        raise InvalidRequest(
            "schedule",
            f"{name} spreads levels of noise that is added, and a flow model mixes it in; try "
            f"{', '.join(FOR_FLOWS)}",
        )


def _timesteps(levels: Levels, low: float | None, high: float | None) -> tuple[float, float]:
    """The (fractional) timesteps of the highest and the lowest level."""
    ends = torch.tensor(_ends(levels, low, high), dtype=torch.float64)
    last, first = levels.sigma_to_t(ends).tolist()[::-1]
    return last, first


def _ended(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas.float(), torch.zeros(1)])

"""Noise schedules: n steps -> n + 1 sigmas, falling, the last one 0.

A schedule knows the noise levels a model was trained on, and nothing else of it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from webui.interfaces import Levels, Schedule


class DiscreteLevels:
    """The levels of a model trained on T discrete timesteps, interpolated in log sigma."""

    def __init__(self, alphas_cumprod: Tensor) -> None:
        """`alphas_cumprod` (T,): the share of signal (variance) left at each timestep, falling."""
        # a schedule with zero terminal SNR ends at 0, an infinite sigma; 2**-24 is near enough
        kept = alphas_cumprod.double().clamp(min=2**-24)
        self._log_sigmas = (((1 - kept) / kept) ** 0.5).log()

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


def uniform(n: int, levels: Levels) -> Tensor:
    """Evenly spaced in training timesteps, from the last to the first; k-diffusion's default.

    Returns (n + 1,) float32 sigmas, falling, then 0.
    """
    last = len(levels.sigmas) - 1
    return _ended(levels.t_to_sigma(torch.linspace(last, 0, n, dtype=torch.float64)))


def karras(n: int, levels: Levels, rho: float = 7.0) -> Tensor:
    """Dense near zero: Karras et al. 2022 (arXiv:2206.00364), equation 5.

    Returns (n + 1,) float32 sigmas, falling from the model's highest to its lowest, then 0.
    """
    low, high = (levels.sigmas[[0, -1]].double() ** (1 / rho)).tolist()
    return _ended(torch.linspace(high, low, n, dtype=torch.float64) ** rho)


def _ended(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas.float(), torch.zeros(1)])


SCHEDULES: Mapping[str, Schedule] = {"Uniform": uniform, "Karras": karras}

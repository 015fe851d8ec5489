"""DPM-Solver's single steps of order 1 to 3, for DPM fast and DPM adaptive.

Lu et al. 2022 (arXiv:2206.00927), algorithms 1 and 2. In sigma form the time is t = -log(sigma),
and the noise prediction is (x - denoised) / sigma.
"""

import math

from torch import Tensor

from webui.engine.splitting import ancestral
from webui.interfaces import Denoiser


def level(t: float) -> float:
    return math.exp(-t)


def time(sigma: float) -> float:
    return -math.log(sigma)


class Stride:
    """One step from `t`, begun with the model call there; longer and shorter ends share it."""

    def __init__(self, denoise: Denoiser, x: Tensor, t: float, sigmas: Tensor) -> None:
        """`sigmas` only gives the noise levels their kind of tensor."""
        self._denoise, self._x, self._t, self._sigmas = denoise, x, t, sigmas
        self.denoised, self._noise = self._predict(x, t)

    def to(self, t_next: float, order: int) -> Tensor:
        """The latent at `t_next`, by the method of that order; order - 1 more calls."""
        if order == 1:
            return self._moved(t_next)
        if order == 2:
            return self.second(t_next, 1 / 2, self.slope_at(t_next, 1 / 2))
        return self.third(t_next, self.slope_at(t_next, 1 / 3))

    def slope_at(self, t_next: float, r: float) -> Tensor:
        """How the noise prediction changes until the share `r` of the way; one call."""
        at = self._t + r * (t_next - self._t)
        return self._predict(self._moved(at), at)[1] - self._noise

    def second(self, t_next: float, r: float, change: Tensor) -> Tensor:
        """Algorithm 1, for any r: `change` is `slope_at(t_next, r)`."""
        weight = level(t_next) * math.expm1(t_next - self._t) / (2 * r)
        return self._moved(t_next) - weight * change

    def third(self, t_next: float, change: Tensor) -> Tensor:
        """Algorithm 2 with r1 = 1/3, r2 = 2/3: `change` is `slope_at(t_next, 1 / 3)`. One call."""
        h = t_next - self._t
        at = self._t + h * 2 / 3
        weight = level(at) * 2 * (math.expm1(h * 2 / 3) / (h * 2 / 3) - 1)
        later = self._predict(self._moved(at) - weight * change, at)[1] - self._noise
        return self._moved(t_next) - level(t_next) * 3 / 2 * (math.expm1(h) / h - 1) * later

    def _moved(self, t_next: float) -> Tensor:
        """DPM-Solver-1."""
        return self._x - level(t_next) * math.expm1(t_next - self._t) * self._noise

    def _predict(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        sigma = level(t)
        denoised = self._denoise(x, self._sigmas.new_tensor(sigma))
        return denoised, (x - denoised) / sigma


def split(t: float, t_next: float, t_end: float, eta: float) -> tuple[float, float]:
    """(where to step to, the std of the noise that then leads back to t_next)."""
    if eta == 0:
        return t_next, 0.0
    down, _ = ancestral(level(t), level(t_next), eta)
    further = min(t_end, time(down))
    return further, math.sqrt(max(0.0, level(t_next) ** 2 - level(further) ** 2))

"""How samplers split a noise level: the part that is kept, and the part that is drawn afresh.

Plain numbers, no tensors but the latent that churn is added to.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from webui.interfaces import Noise


def ancestral(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """(down, up), with down^2 + up^2 = sigma_next^2: go down to `down`, then add noise of std `up`.

    At eta 1 `up` is the spread of DDPM's posterior (Ho et al. 2020, arXiv:2006.11239, equation 7)
    in sigma form; in between it is DDIM's (Song et al. 2020, arXiv:2010.02502, equation 16).
    """
    up = min(sigma_next, eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2))
    return math.sqrt(sigma_next**2 - up**2), up


# (sigma, sigma_next, eta) -> (down, up, kept): go down to `down`, times `kept`, then add noise of
# std `up`
Split = Callable[[float, float, float], tuple[float, float, float]]


def added(sigma: float, sigma_next: float, eta: float) -> tuple[float, float, float]:
    """`ancestral`, where noise is added to what is there."""
    return (*ancestral(sigma, sigma_next, eta), 1.0)


def mixed(sigma: float, sigma_next: float, eta: float) -> tuple[float, float, float]:
    """Where it is mixed in, as in rectified flows: ComfyUI's rule for ancestral samplers.

    `down` goes as much further than sigma_next as the step has gone, times eta.
    """
    return _mixed_in(sigma_next * (1 + (sigma_next / sigma - 1) * eta), sigma_next)


def mixed_posterior(sigma: float, sigma_next: float, eta: float) -> tuple[float, float, float]:
    """As `mixed`, with the spread of DDPM's posterior: `ancestral` of noise to what is clean."""
    if eta == 0 or sigma_next == 0:
        return sigma_next, 0.0, 1.0
    ratio = sigma / (1 - sigma) if sigma < 1 else math.inf
    down, _ = ancestral(ratio, sigma_next / (1 - sigma_next), eta)
    return _mixed_in(down / (1 + down), sigma_next)


def _mixed_in(down: float, sigma_next: float) -> tuple[float, float, float]:
    kept = (1 - sigma_next) / (1 - down)
    return down, math.sqrt(max(0.0, sigma_next**2 - (kept * down) ** 2)), kept


@dataclass(frozen=True, slots=True)
class Churn:
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 2, lines 4 to 6."""

    amount: float  # S_churn
    low: float  # S_tmin
    high: float  # S_tmax
    strength: float  # S_noise
    steps: int  # N

    def raised(
        self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """The latent with noise added, and its noise level.

        Draws as k-diffusion does: in each step, also where the level is outside low to high.
        """
        if self.amount == 0:
            return x, sigma
        drawn = noise(sigma, sigma_next)
        if not self.low <= sigma <= self.high:
            return x, sigma
        raised = sigma * (1 + min(self.amount / self.steps, math.sqrt(2) - 1))
        return x + drawn * (self.strength * (raised**2 - sigma**2).sqrt()), raised

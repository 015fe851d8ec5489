"""Quantiles of the symmetric beta distribution, for the schedule of that name."""

import math

import numpy as np
from numpy.typing import NDArray

_TERMS, _HALVINGS = 60, 60


def beta_quantile(shares: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """Where the distribution function of Beta(shape, shape) reaches `shares` (0 to 1), to 1e-15.

    By bisection on (0, 1/2]; the other half is its mirror image.
    """
    mirrored = shares > 0.5
    wanted = np.where(mirrored, 1 - shares, shares)
    low, high = np.zeros_like(wanted), np.full_like(wanted, 0.5)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = _distribution(middle, shape) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found = np.where(wanted == 0, 0.0, (low + high) / 2)
    return np.where(mirrored, 1 - found, found)


def _distribution(x: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """The regularised incomplete beta function I_x(a, a) for x <= 1/2, by its series.

    Abramowitz & Stegun 26.5.4 and 15.1.1: x^a / (a B(a, a)) * 2F1(a, 1 - a; a + 1; x).
    """
    log_beta = 2 * math.lgamma(shape) - math.lgamma(2 * shape)
    term, total = np.ones_like(x), np.ones_like(x)
    for k in range(_TERMS):
        term = term * x * (shape + k) * (1 - shape + k) / ((shape + 1 + k) * (k + 1))
        total = total + term
    return np.asarray(x**shape / (shape * math.exp(log_beta)) * total)

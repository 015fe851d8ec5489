"""Problems with closed-form answers, for the tests of samplers.

If clean latents are Gaussian, N(0, SPREAD^2), the ideal denoiser is known and the ODE has the exact
solution x(0) = x(sigma) * SPREAD / sqrt(SPREAD^2 + sigma^2). No weights, no GPU, milliseconds.
"""

import torch

from webui.engine.samplers import SAMPLERS

SPREAD, SIGMA_MAX = 0.5, 10.0


def ideal(x, sigma):
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def consistent(x, sigma):
    """Where the ODE leads from x: what models for LCM are trained to give."""
    return x * SPREAD / (SPREAD**2 + sigma**2) ** 0.5


def bent(x, sigma):
    """A denoiser that is not linear, so that a wrong coefficient cannot cancel out."""
    return torch.tanh(x / (1 + sigma)) * 0.8


def falling(n, low=1e-4, high=SIGMA_MAX):
    """Karras' levels, written out again so that a fault in ours cannot hide."""
    rho, share = 7.0, torch.linspace(0, 1, n, dtype=torch.float64)
    sigmas = (high ** (1 / rho) + share * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])


def no_noise(sigma, sigma_next):
    raise AssertionError("a deterministic sampler must not draw noise")


class Draws:
    """Counts the draws it gives."""

    def __init__(self, shape, seed=0, dtype=torch.float64):
        self.shape, self.dtype, self.intervals = shape, dtype, []
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, sigma, sigma_next):
        self.intervals.append((float(sigma), float(sigma_next)))
        return torch.randn(self.shape, generator=self.generator, dtype=self.dtype)


class Unit:
    """Gives draw j to row j + 1 alone: with a linear denoiser, the rows then hold how much of the
    start (row 0) and of each draw is in the result, and the spread is known without chance."""

    def __init__(self, rows):
        self.rows, self.draws = rows, 0

    def __call__(self, sigma, sigma_next):
        self.draws += 1
        noise = torch.zeros(self.rows, 1, 1, 1, dtype=torch.float64)
        noise[self.draws] = 1
        return noise


def end(sampler, sigmas, noise=no_noise, denoise=ideal, **options):
    """What one latent of SIGMA_MAX becomes."""
    x = SIGMA_MAX * torch.ones(1, 1, 1, 1, dtype=torch.float64)
    *_, last = SAMPLERS[sampler](denoise, x, sigmas, noise, **options)
    return last.x.item()


def error(sampler, sigmas, **options):
    exact = SIGMA_MAX * SPREAD / (SPREAD**2 + SIGMA_MAX**2) ** 0.5
    return abs(end(sampler, sigmas, **options) - exact)


def spread(sampler, sigmas, denoise=ideal, **options):
    """The exact standard deviation of what a sampler makes of Gaussian noise."""
    rows = 4 * len(sigmas)
    x = torch.zeros(rows, 1, 1, 1, dtype=torch.float64)
    x[0] = (SIGMA_MAX**2 + SPREAD**2) ** 0.5
    *_, last = SAMPLERS[sampler](denoise, x, sigmas, Unit(rows), **options)
    return last.x.square().sum().sqrt().item()

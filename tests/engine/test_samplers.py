"""Samplers against problems with closed-form answers, and against diffusers' schedulers.

If clean latents are Gaussian, N(0, spread^2), the ideal denoiser is known and the ODE has the exact
solution x(0) = x(sigma) * spread / sqrt(spread^2 + sigma^2). No weights, no GPU, milliseconds.
"""

from itertools import pairwise

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)

from webui.engine.samplers import SAMPLERS

SPREAD, SIGMA_MAX = 0.5, 10.0
DETERMINISTIC = ["Euler", "DPM++ 2M"]


def ideal(x, sigma):
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def falling(n, low=1e-4, high=SIGMA_MAX):
    """Karras' levels, written out again so that a fault in ours cannot hide."""
    rho, share = 7.0, torch.linspace(0, 1, n, dtype=torch.float64)
    sigmas = (high ** (1 / rho) + share * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])


def no_noise(sigma, sigma_next):
    raise AssertionError("a deterministic sampler must not draw noise")


def error(sampler, steps):
    x = SIGMA_MAX * torch.ones(1, 1, 1, 1, dtype=torch.float64)
    *_, last = SAMPLERS[sampler](ideal, x, falling(steps), no_noise)
    exact = x * SPREAD / (SPREAD**2 + SIGMA_MAX**2) ** 0.5
    return (last.x - exact).abs().item()


class Draws:
    """Counts the draws it gives."""

    def __init__(self, shape, seed=0):
        self.shape, self.intervals = shape, []
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, sigma, sigma_next):
        self.intervals.append((float(sigma), float(sigma_next)))
        return torch.randn(self.shape, generator=self.generator, dtype=torch.float64)


@pytest.mark.parametrize(("sampler", "order"), [("Euler", 1), ("DPM++ 2M", 2)])
def test_error_shrinks_at_the_rate_of_its_order(sampler, order):
    ratio = error(sampler, 100) / error(sampler, 200)
    assert ratio == pytest.approx(2**order, rel=0.2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_mean_and_spread_of_many_samples_are_those_of_the_data(sampler):
    generator = torch.Generator().manual_seed(0)
    shape = (20_000, 1, 1, 1)
    x = (SIGMA_MAX**2 + SPREAD**2) ** 0.5 * torch.randn(
        shape, generator=generator, dtype=torch.float64
    )
    *_, last = SAMPLERS[sampler](ideal, x, falling(400, 0.01), Draws(shape, seed=1))
    assert last.x.std().item() == pytest.approx(SPREAD, rel=0.03)
    assert last.x.mean().item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_step_asks_the_model_once_at_its_own_noise_level(sampler):
    asked, sigmas = [], falling(7)

    def watched(x, sigma):
        asked.append(float(sigma))
        return ideal(x, sigma)

    steps = list(SAMPLERS[sampler](watched, torch.ones(1, 1, 1, 1).double(), sigmas, Draws(1)))
    assert asked == sigmas[:-1].tolist()
    assert len(steps) == 7
    assert torch.equal(steps[-1].x, steps[-1].denoised)  # the last step ends at the clean guess


def test_euler_a_draws_noise_for_every_interval_but_the_last():
    sigmas, draws = falling(6), Draws((1, 1, 1, 1))
    list(SAMPLERS["Euler a"](ideal, torch.ones(1, 1, 1, 1).double(), sigmas, draws))
    assert draws.intervals == list(pairwise(sigmas.tolist()))[:-1]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("k", range(9))
def test_going_on_after_k_steps_gives_the_rest_of_the_run_bit_for_bit(sampler, k):
    sigmas, shape = falling(8).float(), (2, 3, 4, 4)
    x = SIGMA_MAX * torch.randn(shape, generator=torch.Generator().manual_seed(3))
    noise = Draws(shape)
    whole = list(SAMPLERS[sampler](ideal, x, sigmas, noise))
    replayed = Draws(shape)
    for _ in range(min(k, len(noise.intervals))):
        replayed(0, 0)
    begin = whole[k - 1].x if k else x
    rest = list(SAMPLERS[sampler](ideal, begin, sigmas, replayed, whole[:k]))
    assert len(rest) == 8 - k
    for ours, theirs in zip(rest, whole[k:], strict=True):
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.denoised, theirs.denoised)


def bent(x, sigma):
    """A denoiser that is not linear, so that a wrong coefficient cannot cancel out."""
    return torch.tanh(x / (1 + sigma)) * 0.8


def by_scheduler(scheduler, x, sigmas, generator=None):
    """x after each step of a diffusers scheduler that is fed the noise our denoiser implies."""
    steps = []
    for i, t in enumerate(scheduler.timesteps):
        # these schedulers keep x in sigma form (Euler) or variance-preserving form (DPM++)
        preserving = isinstance(scheduler, DPMSolverMultistepScheduler)
        sigma = sigmas[i]
        scale = (sigma**2 + 1) ** 0.5 if preserving else torch.tensor(1.0)
        clean = bent(x * scale, sigma)
        epsilon = (x * scale - clean) / sigma
        extra = {} if generator is None else {"generator": generator}
        x = scheduler.step(epsilon, t, x, **extra).prev_sample
        after = (sigmas[i + 1] ** 2 + 1) ** 0.5 if preserving else 1.0
        steps.append(x * after)
    return steps


def configured(kind, **extra):
    return kind(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **extra)


def test_euler_agrees_with_diffusers_at_every_step():
    scheduler = configured(EulerDiscreteScheduler)
    scheduler.set_timesteps(12)
    sigmas = scheduler.sigmas
    x = sigmas[0] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = [step.x for step in SAMPLERS["Euler"](bent, x, sigmas, no_noise)]
    for mine, theirs in zip(ours, by_scheduler(scheduler, x, sigmas), strict=True):
        assert (mine - theirs).abs().max() < 1e-4


def test_euler_a_agrees_with_diffusers_at_every_step():
    scheduler = configured(EulerAncestralDiscreteScheduler)
    scheduler.set_timesteps(12)
    sigmas = scheduler.sigmas
    x = sigmas[0] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(5)
    ours = [
        step.x
        for step in SAMPLERS["Euler a"](
            bent, x, sigmas, lambda s, t: torch.randn(x.shape, generator=generator)
        )
    ]
    theirs = by_scheduler(scheduler, x, sigmas, torch.Generator().manual_seed(5))
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).abs().max() < 1e-4


def test_dpmpp_2m_agrees_with_diffusers_at_every_step():
    scheduler = configured(
        DPMSolverMultistepScheduler, use_karras_sigmas=True, final_sigmas_type="zero"
    )
    scheduler.set_timesteps(12)
    sigmas = scheduler.sigmas
    x = sigmas[0] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    preserved = x / (sigmas[0] ** 2 + 1) ** 0.5
    ours = [step.x for step in SAMPLERS["DPM++ 2M"](bent, x, sigmas, no_noise)]
    theirs = by_scheduler(scheduler, preserved, sigmas)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).abs().max() < 1e-3 * x.abs().max()

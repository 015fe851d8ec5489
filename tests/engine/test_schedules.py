"""Schedules against numbers computed elsewhere: diffusers' tables and the paper's equation."""

import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler

from webui.engine.schedules import SCHEDULES, DiscreteLevels

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def levels():
    return DiscreteLevels(DDPMScheduler(**BETAS).alphas_cumprod)


def test_levels_of_stable_diffusion_1_run_from_0_0292_to_14_6146(levels):
    assert levels.sigmas[0].item() == pytest.approx(0.029167, rel=1e-4)
    assert levels.sigmas[-1].item() == pytest.approx(14.614647, rel=1e-5)


def test_sigma_and_timestep_are_inverse_at_and_between_the_levels(levels):
    t = torch.tensor([0.0, 0.25, 1.0, 499.5, 998.9, 999.0])
    assert torch.allclose(levels.sigma_to_t(levels.t_to_sigma(t)), t, atol=2e-3)
    assert levels.sigma_to_t(levels.sigmas[[0, 500, 999]]).tolist() == pytest.approx(
        [0, 500, 999], abs=2e-3
    )


def test_a_level_outside_the_table_is_taken_at_its_end(levels):
    assert levels.sigma_to_t(torch.tensor([0.0, 100.0])).tolist() == [0.0, 999.0]


def test_zero_terminal_snr_gives_a_finite_highest_level():
    rescaled = DDPMScheduler(**BETAS, rescale_betas_zero_snr=True).alphas_cumprod
    assert DiscreteLevels(rescaled).sigmas[-1].item() == pytest.approx(4096, rel=1e-3)


@pytest.mark.parametrize("n", [1, 2, 20, 150])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_falls_from_the_highest_level_to_zero_in_n_steps(name, n, levels):
    sigmas = SCHEDULES[name](n, levels)
    assert sigmas.shape == (n + 1,)
    assert sigmas.dtype == torch.float32
    assert sigmas[0].item() == pytest.approx(levels.sigmas[-1].item(), rel=1e-5)
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()
    if n > 1:
        assert sigmas[-2].item() == pytest.approx(levels.sigmas[0].item(), rel=1e-4)


def test_uniform_equals_diffusers_linspace_spacing(levels):
    scheduler = EulerDiscreteScheduler(**BETAS, timestep_spacing="linspace")
    scheduler.set_timesteps(20)
    # diffusers interpolates sigma, we (like k-diffusion) its logarithm: near, not equal
    assert torch.allclose(SCHEDULES["Uniform"](20, levels), scheduler.sigmas, rtol=2e-3)


def test_karras_equals_diffusers(levels):
    scheduler = EulerDiscreteScheduler(**BETAS, use_karras_sigmas=True)
    scheduler.set_timesteps(20)
    assert torch.allclose(SCHEDULES["Karras"](20, levels), scheduler.sigmas, rtol=1e-4)

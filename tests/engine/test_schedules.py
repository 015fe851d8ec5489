"""Schedules against numbers computed elsewhere: diffusers' tables and the paper's equation."""

import inspect

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler
from diffusers.schedulers import AysSchedules

from webui.engine.beta import beta_quantile
from webui.engine.families.sd1 import ALIGN_YOUR_STEPS
from webui.engine.schedules import SCHEDULES, DiscreteLevels, without_penultimate
from webui.errors import InvalidRequest

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def levels():
    return DiscreteLevels(DDPMScheduler(**BETAS).alphas_cumprod, ALIGN_YOUR_STEPS)


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


# Those that by their rule begin below the highest level, or end above the lowest.
STARTS_LOWER = {"DDIM"}
ENDS_HIGHER = {"SGM Uniform", "KL Optimal", "Simple", "DDIM", "Linear-quadratic"}


@pytest.mark.parametrize("n", [1, 2, 3, 20, 150])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_falls_from_the_highest_level_to_zero_in_n_steps(name, n, levels):
    sigmas = SCHEDULES[name](n, levels)
    assert sigmas.shape == (n + 1,)
    assert sigmas.dtype == torch.float32
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()
    if name not in STARTS_LOWER:
        assert sigmas[0].item() == pytest.approx(levels.sigmas[-1].item(), rel=1e-4)
    if n > 1 and name not in ENDS_HIGHER:
        assert sigmas[-2].item() == pytest.approx(levels.sigmas[0].item(), rel=0.01)


def test_uniform_equals_diffusers_linspace_spacing(levels):
    scheduler = EulerDiscreteScheduler(**BETAS, timestep_spacing="linspace")
    scheduler.set_timesteps(20)
    # diffusers interpolates sigma, we (like k-diffusion) its logarithm: near, not equal
    assert torch.allclose(SCHEDULES["Uniform"](20, levels), scheduler.sigmas, rtol=2e-3)


def test_karras_equals_diffusers(levels):
    scheduler = EulerDiscreteScheduler(**BETAS, use_karras_sigmas=True)
    scheduler.set_timesteps(20)
    assert torch.allclose(SCHEDULES["Karras"](20, levels), scheduler.sigmas, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("Exponential", "use_exponential_sigmas"),
        ("Karras", "use_karras_sigmas"),
    ],
)
def test_schedules_by_formula_equal_diffusers(name, option, levels):
    scheduler = EulerDiscreteScheduler(**BETAS, **{option: True})
    scheduler.set_timesteps(17)
    assert torch.allclose(SCHEDULES[name](17, levels), scheduler.sigmas, rtol=1e-4, atol=1e-5)


def test_quantiles_of_the_beta_distribution_are_those_of_scipy():
    # scipy.stats.beta.ppf(x, 0.6, 0.6), 1.17.1
    expected = [0.0, 0.0395844056, 0.1756803787, 0.5, 0.8243196213, 0.9604155944, 1.0]
    at = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
    assert beta_quantile(at, 0.6).tolist() == pytest.approx(expected, abs=1e-9)
    assert beta_quantile(at, 1.0).tolist() == pytest.approx(at.tolist(), abs=1e-12)  # uniform


def test_beta_is_spread_over_sigma_as_diffusers_spreads_it(levels):
    low, high = levels.sigmas[[0, -1]].tolist()
    expected = [low + share * (high - low) for share in (1, 0.8243196213, 0.5, 0.1756803787, 0)]
    assert SCHEDULES["Beta"](5, levels)[:-1].tolist() == pytest.approx(expected, rel=1e-5)


def test_ddim_and_sgm_uniform_are_the_spacings_leading_and_trailing(levels):
    for name, spacing, shift in (("DDIM", "leading", 1), ("SGM Uniform", "trailing", 0)):
        scheduler = EulerDiscreteScheduler(**BETAS, timestep_spacing=spacing, steps_offset=shift)
        scheduler.set_timesteps(20)
        # trailing takes whole timesteps: a small part of a step away
        expected = levels.t_to_sigma(scheduler.timesteps)
        assert torch.allclose(SCHEDULES[name](20, levels)[:-1], expected, rtol=0.02)


def test_simple_takes_levels_of_the_table_alone(levels):
    sigmas = SCHEDULES["Simple"](7, levels)[:-1]
    assert all(sigma in levels.sigmas for sigma in sigmas)
    assert sigmas[0] == levels.sigmas[-1]


def test_normal_is_uniform_between_the_models_own_ends(levels):
    assert torch.allclose(
        SCHEDULES["Normal"](9, levels), SCHEDULES["Uniform"](9, levels), rtol=1e-5
    )


def test_polyexponential_at_rho_1_is_exponential_and_above_it_falls_faster(levels):
    straight = SCHEDULES["Polyexponential"](9, levels)
    assert torch.equal(straight, SCHEDULES["Exponential"](9, levels))
    assert (straight[1:-2] > SCHEDULES["Polyexponential"](9, levels, rho=2.0)[1:-2]).all()
    # k-diffusion's: the share of the way, in log sigma, to the power of rho
    low, high = levels.sigmas[[0, -1]].log().tolist()
    bent = SCHEDULES["Polyexponential"](5, levels, rho=3.0)[:-1].log()
    shares = [(1 - i / 4) ** 3 for i in range(5)]
    assert bent.tolist() == pytest.approx([low + share * (high - low) for share in shares])


def test_kl_optimal_is_even_in_the_arc_tangent_of_sigma(levels):
    angles = SCHEDULES["KL Optimal"](11, levels)[:-1].double().atan()
    assert torch.allclose(angles.diff(), angles.diff()[0].expand(10), rtol=1e-3)
    # one such step below the last of them is the model's lowest level, in whose place stands 0
    below = angles[-1] + angles.diff()[0]
    assert below.tan().item() == pytest.approx(levels.sigmas[0].item(), rel=1e-3)


def test_linear_quadratic_is_a_line_and_then_a_smooth_parabola(levels):
    # arXiv:2410.13720: of 50 steps 25 take 0.025 together
    done = 1 - SCHEDULES["Linear-quadratic"](50, levels).double() / levels.sigmas[-1].double()
    assert torch.allclose(done[:26].diff(), torch.tensor(0.001).double().expand(25), atol=1e-6)
    assert done[25].item() == pytest.approx(0.025, abs=1e-6)
    bends = done[25:].diff().diff()
    assert torch.allclose(bends, bends[0].expand(len(bends)), atol=1e-6)
    assert done[26] - done[25] < 0.005  # no kink where the two meet


def test_align_your_steps_is_the_published_list_at_its_own_length(levels):
    sigmas = SCHEDULES["Align Your Steps"](11, levels)
    published = AysSchedules["StableDiffusionSigmas"][:-1]  # diffusers has 0 for its last
    assert sigmas.tolist() == pytest.approx([*published, 0.029, 0])
    twice = SCHEDULES["Align Your Steps"](21, levels)
    assert twice[0:21:2].tolist() == pytest.approx(ALIGN_YOUR_STEPS)
    assert twice[1].item() == pytest.approx((14.615 * 6.475) ** 0.5, rel=1e-5)


def test_align_your_steps_is_refused_where_the_family_has_no_list():
    bare = DiscreteLevels(DDPMScheduler(**BETAS).alphas_cumprod)
    with pytest.raises(InvalidRequest, match="schedule: Align Your Steps is not published"):
        SCHEDULES["Align Your Steps"](10, bare)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_ends_that_are_asked_for_are_the_ends(name, levels):
    known = inspect.signature(SCHEDULES[name]).parameters
    if "sigma_max" in known:
        assert SCHEDULES[name](8, levels, sigma_max=9.0)[0].item() == pytest.approx(9, rel=1e-3)
    if "sigma_min" in known and name not in ENDS_HIGHER:
        assert SCHEDULES[name](8, levels, sigma_min=0.2)[-2].item() == pytest.approx(0.2, rel=1e-3)
    if "sigma_min" in known:
        with pytest.raises(InvalidRequest, match="schedule_options.sigma_min: must be below"):
            SCHEDULES[name](8, levels, sigma_min=15.0)


def test_rho_crowds_karras_steps_towards_the_end(levels):
    assert (
        SCHEDULES["Karras"](9, levels, rho=3.0)[1:-2] > SCHEDULES["Karras"](9, levels)[1:-2]
    ).all()


def test_dropping_the_penultimate_leaves_n_steps_of_a_schedule_of_n_plus_1(levels):
    whole = SCHEDULES["Karras"](9, levels)
    dropped = without_penultimate(lambda n: SCHEDULES["Karras"](n, levels), 8)
    assert dropped.tolist() == [*whole[:8].tolist(), 0.0]

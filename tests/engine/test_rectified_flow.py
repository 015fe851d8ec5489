"""Samplers and schedules on a rectified flow's levels: closed forms, and diffusers' schedulers.

If clean latents are Gaussian, N(0, SPREAD^2), and x = (1 - sigma) * clean + sigma * noise, the
ideal denoiser is known, and the ODE leads from x at sigma 1 to x * SPREAD.
"""

import inspect
import math
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
)

from tests.engine.gaussian import Draws, Unit, no_noise
from webui.engine.rectified_flow import FlowLevels
from webui.engine.samplers import ENTRIES
from webui.engine.schedules import FOR_FLOWS, SCHEDULES, DiscreteLevels
from webui.engine.splitting import mixed, mixed_posterior
from webui.errors import InvalidRequest
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS

SPREAD = 0.5
FLOW = {name: entry.flow for name, entry in ENTRIES.items() if entry.flow is not None}
# the noise that they draw belongs to the SDE, whose end has the data's spread
RANDOM = {
    "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a",
    "DPM2 a", "DDPM", "ER-SDE", "Euler a CFG++",
}  # fmt: skip
EXACT = sorted(FLOW.keys() - RANDOM - {"LCM"})
LEVELS = FlowLevels(1000, 3.0)


def ideal(x, sigma):
    clean = 1 - sigma
    return x * clean * SPREAD**2 / (clean**2 * SPREAD**2 + sigma**2)


def consistent(x, sigma):
    """Where the ODE leads from x: what models for LCM are trained to give."""
    clean = 1 - sigma
    return x * SPREAD / (clean**2 * SPREAD**2 + sigma**2) ** 0.5


def bent(x, sigma):
    """Not linear, so that a wrong coefficient cannot cancel out."""
    return torch.tanh(x * 1.5 + sigma) * 0.8


def falling(n):
    return SCHEDULES["SGM Uniform"](n, LEVELS).double()


def end(name, n, denoise=ideal, noise=no_noise):
    *_, last = FLOW[name](denoise, torch.ones(1, 1, 1, 1, dtype=torch.float64), falling(n), noise)
    return last.x.item()


def spread(name, n, denoise=ideal):
    """The exact standard deviation of what a sampler makes of noise alone."""
    x = torch.zeros(4 * n, 1, 1, 1, dtype=torch.float64)
    x[0] = 1
    *_, last = FLOW[name](denoise, x, falling(n), Unit(4 * n))
    return last.x.square().sum().sqrt().item()


@pytest.mark.parametrize("name", EXACT)
def test_those_without_noise_come_to_the_exact_end(name):
    coarse, fine = (abs(end(name, n) - SPREAD) for n in (50, 100))
    # Uniform's last step is no smaller than 1 / n, and goes straight; so it is of the first order
    assert fine < 0.02
    assert fine < 0.75 * coarse or fine < 0.012


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_those_with_noise_come_to_the_spread_of_the_data(name):
    coarse, fine = (abs(spread(name, n) - SPREAD) for n in (50, 100))
    assert fine < 0.045
    assert fine < 0.7 * coarse


def test_lcm_mixes_each_guess_with_fresh_noise():
    assert spread("LCM", 4, consistent) == pytest.approx(SPREAD, rel=1e-4)
    x = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    sigmas = torch.tensor([0.9, 0.6, 0.0], dtype=torch.float64)
    first = next(FLOW["LCM"](bent, x, sigmas, lambda *_: torch.full_like(x, -1.3)))
    assert first.x.item() == pytest.approx(0.4 * bent(x, sigmas[0]).item() + 0.6 * -1.3, abs=1e-12)


def test_euler_a_goes_down_and_mixes_in_as_in_comfyui():
    # at eta 1 from 0.8 to 0.5: down to 0.5 * 0.5 / 0.8, then 0.5 / 0.6875 of it is kept
    assert mixed(0.8, 0.5, 1.0) == pytest.approx((0.3125, 0.4453618, 0.7272727), abs=1e-7)
    assert mixed(0.8, 0.5, 0.5) == pytest.approx((0.40625, 0.3646423, 0.8421053), abs=1e-7)
    assert mixed(0.8, 0.5, 0.0) == (0.5, 0.0, 1.0)
    assert mixed(1.0, 0.5, 1.0)[0] == 0.25
    x = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    sigmas = torch.tensor([0.8, 0.5, 0.0], dtype=torch.float64)
    first = next(FLOW["Euler a"](bent, x, sigmas, lambda *_: torch.full_like(x, -1.3)))
    guess = bent(x, sigmas[0]).item()
    down = guess + (0.7 - guess) * 0.3125 / 0.8
    assert first.x.item() == pytest.approx(down * 0.7272727 - 1.3 * 0.4453618, abs=1e-6)


def test_ddims_noise_is_that_of_the_posterior():
    # what is noise to what is clean: from 4 to 1, of which sqrt(1 - 1 / 16) is drawn afresh
    down, up, kept = mixed_posterior(0.8, 0.5, 1.0)
    assert down / (1 - down) == pytest.approx(0.25)
    assert (up, kept) == pytest.approx((0.5 * math.sqrt(15 / 16), 0.5 / 0.8))
    assert mixed_posterior(1.0, 0.5, 1.0) == pytest.approx((0.0, 0.5, 0.5))
    assert mixed_posterior(0.8, 0.5, 0.0) == (0.5, 0.0, 1.0)
    assert end("DDIM", 20) == end("Euler", 20)


def test_heun_equals_diffusers_flow_match_heun():
    theirs = FlowMatchHeunDiscreteScheduler(shift=3.0)
    theirs.set_timesteps(7)
    x = torch.tensor([[[[1.3, -0.4]]]])
    *_, last = FLOW["Heun"](bent, x, torch.cat([theirs.sigmas[::2], torch.zeros(1)])[:8], no_noise)
    for t, sigma in zip(theirs.timesteps, theirs.sigmas, strict=False):
        x = theirs.step((x - bent(x, sigma)) / sigma, t, x).prev_sample
    assert torch.allclose(last.x, x, atol=2e-6)


@pytest.mark.parametrize(("name", "solver"), [("DPM++ 2M SDE", "midpoint"),
                                              ("DPM++ 2M SDE Heun", "heun")])  # fmt: skip
def test_dpm_2m_sde_equals_diffusers_on_flow_levels(name, solver):
    theirs = DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver++", prediction_type="flow_prediction", use_flow_sigmas=True,
        flow_shift=3.0, solver_type=solver, euler_at_final=False,
    )  # fmt: skip
    theirs.set_timesteps(8)
    start = torch.tensor([[[[1.3, -0.4]]]])
    mine = Draws(start.shape, dtype=torch.float32)
    *_, last = FLOW[name](bent, start, theirs.sigmas, mine)
    x, draws = start, Draws(start.shape, dtype=torch.float32)
    for t, sigma, after in zip(theirs.timesteps, theirs.sigmas, theirs.sigmas[1:], strict=False):
        noise = draws(sigma, after)
        x = theirs.step((x - bent(x, sigma)) / sigma, t, x, variance_noise=noise).prev_sample
    assert torch.allclose(last.x, x, atol=5e-6)
    given = list(zip(theirs.sigmas.tolist(), theirs.sigmas.tolist()[1:], strict=False))[:-1]
    assert mine.intervals == [pytest.approx(each, abs=1e-6) for each in given]


@pytest.mark.parametrize("name", FLOW)
def test_going_on_after_k_steps_gives_the_same_bits(name):
    sigmas, x = SCHEDULES["SGM Uniform"](7, LEVELS), torch.randn(
        2, 3, 4, 4, generator=torch.Generator().manual_seed(3)
    )  # fmt: skip

    def noise(sigma, sigma_next):  # belongs to its interval, as a Brownian tree's
        seed = int(float(sigma) * 1e6) * 7 + int(float(sigma_next) * 1e6)
        return torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))

    whole = list(FLOW[name](bent, x, sigmas, noise))
    total = whole[0].pace.steps if whole[0].pace else 7
    assert len(whole) >= min(total, 3) and whole[-1].x.std() > 0.05
    for k in (1, 2, len(whole) - 1):
        rest = list(FLOW[name](bent, whole[k - 1].x, sigmas, noise, whole[:k]))
        assert len(rest) == len(whole) - k
        assert all(torch.equal(a.x, b.x) for a, b in zip(rest, whole[k:], strict=True))


def test_the_first_call_sees_noise_alone_at_level_1():
    seen = []

    def denoise(x, sigma):
        seen.append((float(sigma), x))
        return ideal(x, sigma)

    x = torch.full((1, 1, 1, 1), 1.5)
    for name in FLOW:
        seen.clear()
        next(FLOW[name](denoise, x, SCHEDULES["Simple"](5, LEVELS), lambda *_: torch.ones_like(x)))
        assert seen[0][0] == 1.0
        assert seen[0][1].item() == pytest.approx(1.5, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *((name, "s_churn") for name in ("Euler", "Heun", "DPM2", "Heun++ 2")),
        *((name, "eta") for name in ("DPM fast", "DPM adaptive")),
    ],
)
def test_noise_that_is_only_added_is_refused(name, option):
    x, sigmas = torch.ones(1, 1, 1, 1), SCHEDULES["Simple"](4, LEVELS)
    with pytest.raises(InvalidRequest, match=rf"sampling\.{option}: must be 0 .* got 0\.5; for"):
        FLOW[name](ideal, x, sigmas, no_noise, **{option: 0.5})
    plain, zero = (
        list(FLOW[name](ideal, x, sigmas, no_noise, **each)) for each in ({}, {option: 0.0})
    )
    assert torch.equal(plain[-1].x, zero[-1].x)


def test_page_and_engine_say_the_same_of_flows():
    assert {each.name: each.flow for each in SAMPLER_INFOS} == {
        name: entry.flow is not None for name, entry in ENTRIES.items()
    }
    assert {each.name for each in SCHEDULE_INFOS if each.flow} == {"Automatic", *FOR_FLOWS}
    for name, entry in ENTRIES.items():
        if entry.flow is not None:  # what can be set is what can be set elsewhere
            mine, theirs = inspect.signature(entry.flow), inspect.signature(entry.sample)
            assert mine.parameters.keys() == theirs.parameters.keys(), name


# --- levels ---------------------------------------------------------------------------------------


def test_the_levels_are_those_of_diffusers_scheduler():
    for shift in (1.0, 3.0, 0.5):
        theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
        levels = FlowLevels(1000, shift)
        assert torch.allclose(levels.sigmas, theirs.sigmas.flip(0), atol=1e-6)
        t = torch.tensor([0.0, 3.25, 500.0, 998.5, 999.0])
        assert torch.allclose(levels.sigma_to_t(levels.t_to_sigma(t)), t, atol=1e-2)
        assert torch.equal(levels.shifted(None).sigmas, levels.sigmas)
    assert torch.equal(FlowLevels(1000, 1.0).shifted(3.0).sigmas, LEVELS.sigmas)


def shifted(even, shift=3.0):
    return [shift * each / (1 + (shift - 1) * each) for each in even]


def test_schedules_on_a_flows_levels_have_known_values():
    known = {
        "Uniform": shifted(np.linspace(1, 0.001, 5)),
        "Normal": shifted(np.linspace(1, 0.001, 5)),
        "SGM Uniform": shifted(np.linspace(1, 0.001, 6)[:-1]),
        "Simple": shifted([1, 0.8, 0.6, 0.4, 0.2]),
        "DDIM": shifted([0.802, 0.602, 0.402, 0.202, 0.002]),
        # quantiles of Beta(0.6, 0.6) at 1, 3/4, 1/2, 1/4, 0
        "Beta": shifted([1, 0.001 + 0.999 * 0.824320, 0.5005, 0.001 + 0.999 * 0.175680, 0.001]),
        "Linear-quadratic": [1, 0.9875, 0.975, 0.858333, 0.533333],
    }
    assert known.keys() == set(FOR_FLOWS)
    for name, values in known.items():
        assert SCHEDULES[name](5, LEVELS).tolist() == pytest.approx([*values, 0], abs=2e-4), name
        other = SCHEDULES[name](5, LEVELS.shifted(1.0)).tolist()
        if name != "Linear-quadratic":
            assert SCHEDULES[name](5, LEVELS, shift=1.0).tolist() == other
            assert other != SCHEDULES[name](5, LEVELS).tolist()


@pytest.mark.parametrize("name", sorted(SCHEDULES.keys() - set(FOR_FLOWS)))
def test_schedules_of_noise_that_is_added_are_refused(name):
    with pytest.raises(InvalidRequest, match=f"schedule: {name} spreads .* try SGM Uniform, Simp"):
        SCHEDULES[name](5, LEVELS)


def test_a_flow_has_no_more_noise_than_all():
    with pytest.raises(InvalidRequest, match=r"sigma_max: is at most 1 .* got 14\.6"):
        SCHEDULES["Normal"](5, LEVELS, sigma_max=14.6)
    low = SCHEDULES["Normal"](5, LEVELS, sigma_max=0.8, sigma_min=0.1)
    assert low[[0, 4]].tolist() == pytest.approx([0.8, 0.1], abs=1e-4)


@pytest.mark.parametrize("name", [name for name in FOR_FLOWS if name != "Linear-quadratic"])
def test_other_models_have_nothing_to_shift(name):
    table = DiscreteLevels(torch.linspace(0.999, 0.005, 1000))
    shift = partial(SCHEDULES[name], 5, table)
    with pytest.raises(InvalidRequest, match=r"schedule_options\.shift: moves the noise levels of"):
        shift(shift=3.0)
    assert torch.equal(shift(shift=None), shift())

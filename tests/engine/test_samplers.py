"""Samplers: problems with closed-form answers, calls and draws, going on after k steps.

What each file must not do is listed in FAULTS.md, with the test that says so.
"""

import math
from itertools import pairwise

import pytest
import torch

from tests.engine.gaussian import (
    SIGMA_MAX,
    SPREAD,
    Draws,
    bent,
    consistent,
    error,
    falling,
    ideal,
    no_noise,
    spread,
)
from webui.engine.samplers import ENTRIES, SAMPLERS
from webui.sampler_table import SAMPLER_INFOS

ANCESTRAL = {"Euler a", "DPM2 a", "DPM++ 2S a", "DDPM", "Euler a CFG++"}
ONE_DRAW = {*ANCESTRAL, "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE", "LCM", "ER-SDE"}
RANDOM = {*ONE_DRAW, "DPM++ SDE", "Restart"}
TWO_CALLS = {"Heun", "DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ SDE", "Restart"}
OWN_LEVELS = {"DPM fast", "DPM adaptive"}
NO_NOISE = {name: {"eta": 0.0} for name in ANCESTRAL - {"DDPM"}} | {
    name: {"eta": 0.0} for name in SAMPLERS if name.endswith(("SDE", "SDE Heun"))
}
NO_NOISE["ER-SDE"] = {"solver_type": "ode"}

ORDERS = {
    "Euler": 1, "Euler a": 1, "DDIM": 1, "DDIM CFG++": 1, "Euler a CFG++": 1, "Heun++ 2": 1,
    "Heun": 2, "DPM2": 2, "DPM2 a": 2, "DPM++ 2M": 2, "DPM++ 2S a": 2, "DPM++ SDE": 2,
    "DPM++ 2M SDE": 2, "DPM++ 2M SDE Heun": 2, "DPM++ 2M CFG++": 2, "PLMS": 2,
    # third order but for a factor and a derivative that the field leaves out; so measured
    "DPM++ 3M SDE": 2, "ER-SDE": 2,
}  # fmt: skip


HIGH = {"LMS": 4, "UniPC": 4, "DEIS": 3, "DPM fast": 3}


@pytest.mark.parametrize(("sampler", "order"), ORDERS.items())
def test_error_shrinks_at_the_rate_of_its_order_with_noise_off(sampler, order):
    options = NO_NOISE.get(sampler, {})
    coarse, fine = (error(sampler, falling(n), **options) for n in (100, 200))
    assert coarse / fine == pytest.approx(2**order, rel=0.2)


@pytest.mark.parametrize(("sampler", "order"), HIGH.items())
def test_error_shrinks_at_least_at_third_order(sampler, order):
    rate = math.log2(error(sampler, falling(50)) / error(sampler, falling(100)))
    assert rate > 2.8
    assert rate == pytest.approx(order, abs=0.45)


def test_the_order_that_the_page_says_is_the_measured_one():
    said = {info.name: info.order for info in SAMPLER_INFOS}
    # DPM adaptive's steps follow its tolerance; with noise on: DDPM, Restart; LCM jumps to the end
    measured = ORDERS | HIGH | {"DPM adaptive": 3, "DDPM": 1, "Restart": 2, "LCM": 1}
    assert said == measured


@pytest.mark.parametrize(
    ("sampler", "order", "rate"),
    [
        ("LMS", 1, 1), ("LMS", 2, 2), ("LMS", 3, 3), ("UniPC", 1, 2), ("UniPC", 2, 3),
        ("DEIS", 1, 1), ("DEIS", 2, 2), ("ER-SDE", 1, 1), ("ER-SDE", 2, 2),
    ],
)  # fmt: skip
def test_the_order_that_is_asked_for_is_the_order_one_gets(sampler, order, rate):
    options = NO_NOISE.get(sampler, {}) | {"order": order}
    coarse, fine = (error(sampler, falling(n), **options) for n in (50, 100))
    assert math.log2(coarse / fine) == pytest.approx(rate, abs=0.35)


def test_the_third_guess_of_3m_and_er_sde_makes_them_better_than_two():
    sigmas = falling(100)
    by_2m, by_3m = (error(name, sigmas, eta=0.0) for name in ("DPM++ 2M SDE", "DPM++ 3M SDE"))
    assert by_3m < 0.3 * by_2m
    two, three = (error("ER-SDE", sigmas, solver_type="ode", order=order) for order in (2, 3))
    assert three < 0.7 * two


WEAK = {
    "Euler a": 1, "DDPM": 1, "DPM++ SDE": 1, "Euler a CFG++": 1,
    "DPM2 a": 2, "DPM++ 2S a": 2, "DPM++ 2M SDE": 2, "DPM++ 2M SDE Heun": 2, "DPM++ 3M SDE": 2,
    "ER-SDE": 2, "Restart": 2,
}  # fmt: skip


@pytest.mark.parametrize(("sampler", "order"), WEAK.items())
def test_the_spread_with_noise_on_nears_that_of_the_data(sampler, order):
    # exact, without chance: a linear denoiser's result is a sum of the start and of each draw
    coarse, fine = (abs(spread(sampler, falling(n)) - SPREAD) for n in (100, 200))
    assert coarse / fine == pytest.approx(2**order, rel=0.25)
    assert fine < 0.025


@pytest.mark.parametrize("solver_type", ["er_sde", "reverse_sde", "ode"])
def test_any_noise_scale_of_er_sde_gives_the_spread_of_the_data(solver_type):
    made = spread("ER-SDE", falling(100), solver_type=solver_type)
    assert made == pytest.approx(SPREAD, abs=2e-3)


def test_heunpp2_weighs_slopes_by_their_noise_level():
    levels, x = [8.0, 4.0, 1.0, 0.0], torch.full((1, 1, 1, 1), 5.0).double()
    steps = list(SAMPLERS["Heun++ 2"](bent, x, torch.tensor(levels).double(), no_noise))

    def slope(at, sigma):
        return (at - bent(at, sigma)) / sigma

    one = slope(x, 8.0)
    two = slope(x + one * -4, 4.0)
    three = slope(x + one * -4 + two * -3, 1.0)
    second, third = 4 / (3 * 8), 1 / (3 * 8)
    x = x + ((1 - second - third) * one + second * two + third * three) * -4
    assert torch.allclose(steps[0].x, x, atol=1e-12)
    one = slope(x, 4.0)
    two = slope(x + one * -3, 1.0)
    x = x + ((1 - 1 / 16) * one + 1 / 16 * two) * -3  # 1 / (2 * 8)
    assert torch.allclose(steps[1].x, x, atol=1e-12)
    assert torch.allclose(steps[2].x, bent(x, 1.0), atol=1e-12)


def test_lcm_gives_the_spread_of_the_data_in_any_number_of_steps():
    for n in (1, 4, 30):
        assert spread("LCM", falling(n), denoise=consistent) == pytest.approx(SPREAD, abs=1e-6)


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM2", "Heun++ 2"])
def test_churn_adds_noise_and_keeps_the_spread(sampler):
    plain, churned = (spread(sampler, falling(200), s_churn=churn) for churn in (0.0, 20.0))
    assert churned != plain
    assert churned == pytest.approx(SPREAD, abs=0.02)


@pytest.mark.parametrize("sampler", ["DPM fast", "DPM adaptive", "DDIM", "DDIM CFG++"])
def test_eta_adds_noise_where_there_is_none_by_default(sampler):
    shape = (4000, 1, 1, 1)
    x = (SIGMA_MAX**2 + SPREAD**2) ** 0.5 * Draws(shape)(0, 0)
    *_, last = SAMPLERS[sampler](ideal, x, falling(80), Draws(shape, 1), eta=1.0)
    assert last.x.std().item() == pytest.approx(SPREAD, rel=0.08)
    assert last.x.mean().item() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_mean_and_spread_of_many_samples_are_those_of_the_data(sampler):
    shape = (20_000, 1, 1, 1)
    x = (SIGMA_MAX**2 + SPREAD**2) ** 0.5 * Draws(shape)(0, 0)
    denoise = consistent if sampler == "LCM" else ideal
    *_, last = SAMPLERS[sampler](denoise, x, falling(150, 0.01), Draws(shape, seed=1))
    assert last.x.std().item() == pytest.approx(SPREAD, rel=0.05)
    assert last.x.mean().item() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n", [1, 2, 7, 24])
def test_every_run_ends_at_noise_level_0_after_as_many_steps_as_it_said(sampler, n):
    steps = list(SAMPLERS[sampler](bent, torch.ones(2, 1, 2, 2).double(), falling(n), Draws(1)))
    if steps[-1].pace is None:
        assert len(steps) == n
    else:
        assert [each.pace.sigma > 0 for each in steps] == [True] * (len(steps) - 1) + [False]
        assert steps[-1].pace.steps == len(steps)
        assert all(each.pace.steps > i for i, each in enumerate(steps))
    assert (steps[-1].memory is not None) == ENTRIES[sampler].memory
    if sampler not in ("LMS", "PLMS", "DPM++ 2M CFG++"):
        assert torch.equal(steps[-1].x, steps[-1].denoised)


def calls(sampler, n, denoise=ideal, **options):
    asked = []

    def watched(x, sigma):
        assert sigma.ndim == 0
        asked.append(float(sigma))
        return denoise(x, sigma)

    x = torch.ones(1, 1, 1, 1).double()
    steps = list(SAMPLERS[sampler](watched, x, falling(n), Draws(x.shape), **options))
    return asked, steps


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in OWN_LEVELS])
def test_each_step_asks_the_model_as_often_as_the_sampler_says(sampler):
    asked, _ = calls(sampler, 12)
    expected = {"PLMS": 13, "Heun++ 2": 3 * 12 - 3} | dict.fromkeys(TWO_CALLS, 2 * 12 - 1)
    assert len(asked) == expected.get(sampler, 12)
    said = next(info.calls for info in SAMPLER_INFOS if info.name == sampler)
    assert said == round(len(asked) / 12)  # what the page says
    if sampler not in expected:
        assert asked == falling(12)[:-1].tolist()


@pytest.mark.parametrize("n", [2, 3, 7, 12, 20])
def test_dpm_fast_asks_once_for_each_step_and_once_for_the_rest_of_the_noise(n):
    asked, steps = calls("DPM fast", n)
    assert len(asked) == n + 1
    assert len(steps) == n // 3 + 2


def test_restart_takes_as_many_steps_as_asked_and_goes_back_once_or_twice():
    for n, jumps in ((19, 0), (20, 1), (35, 1), (36, 2), (60, 2)):
        asked, steps = calls("Restart", n)
        left = [SIGMA_MAX] + [each.pace.sigma for each in steps]
        assert (len(steps), len(asked)) == (n, 2 * n - 1)
        starts = asked[::2]
        assert sum(start > end * 1.001 for start, end in zip(starts, left, strict=False)) == jumps


def test_dpm_adaptive_takes_as_many_steps_as_its_tolerance_asks_for():
    # the number of steps it is given does not matter, only where the levels begin and end
    few, many = (calls("DPM adaptive", n)[1] for n in (5, 40))
    assert [each.pace for each in few] == [each.pace for each in many]
    _, by_second_order = calls("DPM adaptive", 20, order=2)
    assert len(by_second_order) > len(few)
    assert error("DPM adaptive", falling(20)) < 0.02


def test_dpm_adaptives_guess_of_its_steps_gets_better():
    _, steps = calls("DPM adaptive", 20)
    guesses = [each.pace.steps for each in steps]
    assert all(guess == pytest.approx(len(steps), rel=0.15) for guess in guesses[len(steps) // 2 :])
    assert guesses[-1] == len(steps)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_noise_is_drawn_where_and_in_the_order_that_k_diffusion_draws_it(sampler):
    sigmas, draws = falling(8), Draws((1, 1, 1, 1))
    list(SAMPLERS[sampler](ideal, torch.ones(1, 1, 1, 1).double(), sigmas, draws))
    pairs = list(pairwise(sigmas.tolist()))[:-1]
    middles = [math.sqrt(high * low) for high, low in pairs]
    expected = pairs if sampler in ONE_DRAW else []
    if sampler == "DPM++ SDE":  # to the middle first, then to the end
        expected = [
            draw
            for (high, low), middle in zip(pairs, middles, strict=True)
            for draw in ((high, middle), (high, low))
        ]
    flat = [level for interval in draws.intervals for level in interval]
    assert flat == pytest.approx([level for interval in expected for level in interval])


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM2", "Heun++ 2"])
def test_churn_draws_in_every_step_also_where_it_adds_nothing(sampler):
    sigmas, draws = falling(6), Draws((1, 1, 1, 1))
    x = torch.ones(1, 1, 1, 1).double()
    limited = list(SAMPLERS[sampler](ideal, x, sigmas, draws, s_churn=9.0, s_tmax=0.0))
    assert draws.intervals == list(pairwise(sigmas.tolist()))
    assert limited[-1].x.item() == list(SAMPLERS[sampler](ideal, x, sigmas, no_noise))[-1].x.item()


OPTIONS = [(name, {}) for name in SAMPLERS] + [
    ("Euler", {"s_churn": 5.0}), ("Heun", {"s_churn": 5.0, "s_tmin": 0.1, "s_tmax": 5.0}),
    ("DPM fast", {"eta": 0.7}), ("DPM adaptive", {"eta": 0.7}), ("DPM adaptive", {"order": 2}),
    ("UniPC", {"order": 2, "solver_type": "bh2"}), ("DEIS", {"order": 2}), ("LMS", {"order": 2}),
    ("DDIM", {"eta": 0.5}), ("ER-SDE", {"order": 2}),
]  # fmt: skip


@pytest.mark.parametrize("n", [8, 22])
@pytest.mark.parametrize(("sampler", "options"), OPTIONS)
def test_going_on_after_k_steps_gives_the_rest_of_the_run_bit_for_bit(sampler, options, n):
    sigmas, shape = falling(n, 0.03).float(), (2, 3, 4, 4)
    x = SIGMA_MAX * torch.randn(shape, generator=torch.Generator().manual_seed(3))
    noise, drawn, whole = Draws(shape, dtype=torch.float32), [], []
    for step in SAMPLERS[sampler](bent, x, sigmas, noise, **options):
        whole.append(step)
        drawn.append(len(noise.intervals))
    for k in range(len(whole) + 1):
        replayed = Draws(shape, dtype=torch.float32)
        for _ in range(drawn[k - 1] if k else 0):
            replayed(0, 0)
        begin = whole[k - 1].x if k else x
        rest = list(SAMPLERS[sampler](bent, begin, sigmas, replayed, whole[:k], **options))
        assert len(rest) == len(whole) - k
        for ours, theirs in zip(rest, whole[k:], strict=True):
            assert torch.equal(ours.x, theirs.x)
            assert torch.equal(ours.denoised, theirs.denoised)
            assert ours.pace == theirs.pace
            assert (ours.memory is None) == (theirs.memory is None)
            assert ours.memory is None or torch.equal(ours.memory, theirs.memory)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_latents_keep_their_dtype(sampler):
    x = torch.ones(1, 2, 2, 2)
    draws = Draws(x.shape, dtype=torch.float32)
    for step in SAMPLERS[sampler](bent, x, falling(6).float(), draws):
        assert {each.dtype for each in step[:3] if each is not None} == {torch.float32}

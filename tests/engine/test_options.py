"""What can be set beside the sampler's name, through the whole engine."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.engine.conftest import planned, play, request
from webui.engine.brownian import BrownianNoise
from webui.engine.samplers import ENTRIES, SAMPLERS
from webui.errors import InvalidRequest
from webui.events import Rendered, Step
from webui.request import SamplingOptions, ScheduleOptions, Variation


@pytest.fixture
def engine(warm):
    return warm


def sigmas(run):
    return [each.sigma for each in run.of(Step)]


def options(**values):
    return {"schedule_options": ScheduleOptions(**values)}


@pytest.mark.parametrize(
    "change",
    [
        {"rng": "nv"},
        {"seed_resize": (128, 64)},
        {"variation": Variation(seed=5, strength=0.2)},
        options(sigma_min=0.5),
        options(sigma_max=9.0),
        options(rho=3.0),
        options(sigmas=(12.0, 7.0, 4.0, 2.0, 1.0, 0.3, 0.0)),
        {"sampler": "Euler", "sampling": SamplingOptions(s_churn=5)},
        {"sampler": "Euler a", "sampling": SamplingOptions(eta=0.5)},
        {"sampler": "LMS", "sampling": SamplingOptions(order=2)},
        {"sampler": "UniPC", "sampling": SamplingOptions(solver_type="bh2")},
    ],
    ids=lambda change: str(sorted(change)),
)
def test_whatever_is_set_changes_the_picture(engine, change):
    plain = {name: value for name, value in change.items() if name == "sampler"}
    assert play(engine, request(**plain)).pictures != play(engine, request(**change)).pictures


def test_a_variation_of_strength_0_changes_nothing(engine):
    varied = request(variation=Variation(seed=5, strength=0.0))
    assert play(engine, varied).pictures == play(engine, request()).pictures


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sampler": "Euler", "sampling": SamplingOptions(eta=0.5)}, "sampling.eta"),
        ({"schedule": "Uniform", **options(rho=5.0)}, "schedule_options.rho"),
        (options(sigma_max=0.02), "schedule_options.sigma_min"),
        (
            {"sampler": "DPM adaptive", "sampling": SamplingOptions(order=1)},
            "sampling.order",
        ),
    ],
)
def test_what_they_have_not_is_refused(engine, change, field):
    with pytest.raises(InvalidRequest) as refused:
        play(engine, request(**change))
    assert refused.value.field == field


def test_own_levels_are_the_levels(engine):
    own = (12.0, 7.0, 4.0, 2.0, 1.0, 0.3, 0.0)
    run = play(engine, request(sampler="DPM2", **options(sigmas=own)))
    assert sigmas(run) == pytest.approx(own[1:])  # nothing of them is dropped


@pytest.mark.parametrize("sampler", ["DPM2", "DPM2 a", "DPM++ 3M SDE"])
def test_the_penultimate_level_is_dropped_where_a1111_drops_it(engine, sampler):
    schedule = ENTRIES[sampler].automatic
    kept = sigmas(play(engine, request(sampler="Euler", schedule=schedule, steps=7)))
    assert sigmas(play(engine, request(sampler=sampler, steps=6))) == [*kept[:5], 0.0]


def test_only_those_samplers_drop_it():
    dropping = {name for name, entry in ENTRIES.items() if entry.drops_penultimate}
    assert dropping == {"DPM2", "DPM2 a", "DPM++ 3M SDE"}


def test_brownian_noise_is_what_a1111_gives_it_to():
    brownian = {name for name, entry in ENTRIES.items() if entry.noise == "brownian"}
    assert brownian == {"DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"}


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "DPM adaptive"])
def test_picture_i_of_a_batch_is_made_again_by_its_own_request(engine, sampler):
    asked = request(
        sampler=sampler, rng="nv", images=2, batch_size=2, steps=4,
        variation=Variation(seed=3, strength=0.3),
    )  # fmt: skip
    for each in play(engine, asked).of(Rendered):
        (alone,) = play(engine, each.request).of(Rendered)
        both = (np.frombuffer(one.picture.rgb, np.uint8).astype(int) for one in (each, alone))
        assert np.abs(np.subtract(*both)).max() <= 2


def test_steps_that_a_sampler_counts_itself_are_told_honestly(engine):
    for sampler in ("DPM fast", "DPM adaptive", "Restart"):
        run = play(engine, request(sampler=sampler, steps=24))
        steps = run.of(Step)
        assert [each.step for each in steps] == list(range(1, len(steps) + 1))
        assert (steps[-1].steps, steps[-1].sigma) == (len(steps), 0.0)
        assert run.outcome == "done"
        assert not run.of(Rendered)[0].notes


def test_restart_tells_that_it_goes_back(engine):
    levels = sigmas(play(engine, request(sampler="Restart", steps=24)))
    assert any(after > before for before, after in pairwise(levels))


@pytest.mark.parametrize("sampler", [name for name, entry in ENTRIES.items() if entry.plus_plus])
def test_cfgpp_takes_both_predictions_at_any_scale(engine, sampler):
    one, other = (
        play(engine, request(sampler=sampler, guidance_scale=1.0, negative_prompt=text)).pictures
        for text in ("", "a dog")
    )
    assert one != other
    assert play(engine, request(sampler=sampler, guidance_scale=9.0)).pictures != one


def test_cfgpp_scale_12_and_a_half_is_all_of_the_prompt(engine):
    # then the last guess is the one with the prompt alone, whatever the negative prompt was
    own = options(sigmas=(14.6, 0.0))
    pictures = [
        play(
            engine,
            request(
                sampler="DDIM CFG++", guidance_scale=12.5, negative_prompt=text, steps=1, **own
            ),
        ).pictures
        for text in ("", "a dog")
    ]
    plain = request(sampler="DDIM", guidance_scale=1.0, negative_prompt="", steps=1, **own)
    made = [np.frombuffer(each[0], np.uint8).astype(int) for each in pictures]
    made.append(np.frombuffer(play(engine, plain).pictures[0], np.uint8).astype(int))
    assert max(np.abs(made[0] - each).max() for each in made) <= 1


@pytest.mark.parametrize("sampler", [name for name, entry in ENTRIES.items() if entry.plus_plus])
def test_cfgpp_goes_back_along_the_unguided_prediction(engine, sampler):
    # at 12.5 the guesses are the prompt's alone: the negative one shows in the noise that is left
    one, other = (
        play(engine, request(sampler=sampler, guidance_scale=12.5, negative_prompt=text)).pictures
        for text in ("", "a dog")
    )
    assert one != other


@pytest.mark.parametrize("rng", ["cpu", "nv"])
def test_sde_samplers_walk_one_path_over_all_levels_drawn_as_asked(engine, rng):
    plan = planned(engine, request(sampler="DPM++ 2M SDE", rng=rng))
    here, interval = torch.device("cpu"), plan.sigmas[:2]
    given = plan.noise(0, plan.start(0, here)[0], here)(*interval)
    path = BrownianNoise([plan.request.seed], plan.size, plan.sigmas, here, rng)
    assert torch.equal(given, path(*interval))


def test_the_noise_starts_as_torch_and_philox_give_it(engine):
    cpu = torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(11))
    plan = planned(engine, request())
    assert torch.equal(plan.start(0, torch.device("cpu"))[1][0], cpu)
    nv = planned(engine, request(rng="nv", seed=0)).start(0, torch.device("cpu"))[1]
    assert nv.flatten()[:2].tolist() == pytest.approx([-0.92466259, -0.42534415])


def test_another_size_is_counted_in_cells(engine):
    plan = planned(engine, replace(request(width=128), seed_resize=(64, 64)))
    start = plan.start(0, torch.device("cpu"))[1][0]
    old = torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(11))
    assert torch.equal(start[:, :, 4:12], old)
    plan = planned(engine, replace(request(), seed_resize=(64, 128)))  # width, height
    tall = torch.randn((4, 16, 8), generator=torch.Generator().manual_seed(11))
    assert torch.equal(plan.start(0, torch.device("cpu"))[1][0], tall[:, 4:12])

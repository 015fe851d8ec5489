"""What a form or a program may send beside the request's own fields."""

from dataclasses import replace

import pytest

from webui.errors import InvalidRequest
from webui.request import SamplingOptions
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS
from webui.services import request_of


@pytest.fixture
def full(services):
    """Services that know the samplers that ship."""
    samplers = {info.name: info for info in SAMPLER_INFOS}
    schedules = {info.name: info for info in SCHEDULE_INFOS}
    return replace(
        services, registry=replace(services.registry, samplers=samplers, schedules=schedules)
    )


def test_an_old_joint_name_is_a_sampler_and_a_schedule(full):
    asked = request_of(full, {"sampler": "k_dpmpp_sde_karras"})
    assert (asked.sampler, asked.schedule) == ("DPM++ SDE", "Karras")


def test_an_option_goes_through_and_one_that_the_sampler_has_not_is_refused(full):
    asked = request_of(full, {"sampler": "k_euler_a", "sampling": {"eta": 0.5}})
    assert asked.sampling == SamplingOptions(eta=0.5)
    with pytest.raises(InvalidRequest, match="sampling.eta: is nothing that Euler has"):
        request_of(full, {"sampler": "k_euler", "sampling": {"eta": 0.5}})


def test_a_random_variation_seed_is_settled_and_the_same_for_the_same_id(full):
    values = {"variation": {"seed": -1, "strength": 0.2}}
    first, again, other = (request_of(full, values, id) for id in ("job-1", "job-1", "job-2"))
    assert first.variation == again.variation != other.variation
    assert first.variation.seed != first.seed
    assert request_of(full, {"variation": {"strength": 0.2}}).variation.strength == 0.2
    with pytest.raises(InvalidRequest, match="variation: must be a JSON object"):
        request_of(full, {"variation": 3})


def test_own_levels_say_how_many_steps_there_are(full):
    own = {"schedule_options": {"sigmas": [9, 3, 1, 0]}}
    assert request_of(full, own).steps == 3
    with pytest.raises(InvalidRequest, match="steps: must be one less"):
        request_of(full, {**own, "steps": 20})


def test_pictures_whose_steps_depend_on_them_are_made_one_by_one(full):
    values = {"sampler": "DPM adaptive", "batch_count": 2, "batch_size": 3}
    asked = request_of(full, values)
    assert (asked.images, asked.batch_size) == (6, 1)

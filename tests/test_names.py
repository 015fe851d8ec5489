"""What samplers and schedules may be called and told; both sides of the table agree."""

import inspect
import re
from pathlib import Path

import pytest

from webui.engine.samplers import ENTRIES
from webui.engine.schedules import SCHEDULES
from webui.errors import InvalidRequest
from webui.interfaces import ServerRegistry
from webui.names import check_options, sampler_and_schedule
from webui.request import SamplingOptions, ScheduleOptions, from_dict
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS

SAMPLERS = {info.name: info for info in SAMPLER_INFOS}
INFOS = {info.name: info for info in SCHEDULE_INFOS}
REGISTRY = ServerRegistry(SAMPLERS, INFOS, {}, {}, (), ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"sampler": "k_euler_a"}, {"sampler": "Euler a"}),
        ({"sampler": "K_DPMPP_2M"}, {"sampler": "DPM++ 2M"}),
        ({"sampler": "euler A"}, {"sampler": "Euler a"}),
        ({"schedule": "sgm_uniform"}, {"schedule": "SGM Uniform"}),
        ({"schedule": "SGMUniform"}, {"schedule": "SGM Uniform"}),
        ({"schedule": "align_your_steps"}, {"schedule": "Align Your Steps"}),
        ({"sampler": "DPM++ 2M Karras"}, {"sampler": "DPM++ 2M", "schedule": "Karras"}),
        ({"sampler": "k_dpmpp_2m_karras"}, {"sampler": "DPM++ 2M", "schedule": "Karras"}),
        ({"sampler": "k_dpmpp_2m_sde_ka"}, {"sampler": "DPM++ 2M SDE", "schedule": "Karras"}),
        (
            {"sampler": "k_dpmpp_2m_sde_heun_exp"},
            {"sampler": "DPM++ 2M SDE Heun", "schedule": "Exponential"},
        ),
        ({"sampler": "DPM2 a Karras"}, {"sampler": "DPM2 a", "schedule": "Karras"}),
        (
            {"sampler": "DPM++ 2M SDE Heun Exponential"},
            {"sampler": "DPM++ 2M SDE Heun", "schedule": "Exponential"},
        ),
        ({"sampler": "Euler SGM Uniform"}, {"sampler": "Euler", "schedule": "SGM Uniform"}),
        (
            {"sampler": "DPM++ 2M Karras", "schedule": "Automatic"},
            {"sampler": "DPM++ 2M", "schedule": "Karras"},
        ),
        (
            {"sampler": "DPM++ 2M Karras", "schedule": "karras"},
            {"sampler": "DPM++ 2M", "schedule": "Karras"},
        ),
    ],
)
def test_names_are_settled(given, expected):
    assert sampler_and_schedule(REGISTRY, given) == expected


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sampler": "Eular"}, "sampler: must be one of: DPM++ 2M, "),
        ({"sampler": "Euler Carras"}, "sampler: must be one of: "),
        ({"sampler": 3}, "sampler: must be one of: "),
        ({"sampler": "_" * 2_000_000}, "sampler: must be one of: "),  # each may end a name
        ({"schedule": " " * 2_000_000}, "schedule: must be one of: "),
        ({"schedule": None}, "schedule: must be one of: Automatic, Uniform, "),
        (
            {"sampler": "DPM++ 2M Karras", "schedule": "Beta"},
            "schedule: is Beta, but the sampler's name says Karras",
        ),
    ],
)
def test_what_is_no_name_is_refused(given, complaint):
    with pytest.raises(InvalidRequest) as refused:
        sampler_and_schedule(REGISTRY, given)
    assert str(refused.value).startswith(complaint)


def asked(**values):
    return from_dict({"model": "m", "prompt": "p", "seed": 1, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"sampler": "Euler a", "sampling": {"eta": 0.5, "s_noise": 1.0}},
        {"sampler": "UniPC", "sampling": {"order": 2, "solver_type": "bh2"}},
        {"sampler": "DPM++ 2M", "schedule_options": {"rho": 5}},  # Automatic is Karras there
        {"schedule": "Exponential", "schedule_options": {"sigma_max": 10}},
        {"schedule_options": {"sigmas": [3, 1, 0]}, "steps": 2},
    ],
)
def test_what_a_sampler_and_a_schedule_have_can_be_set(values):
    check_options(REGISTRY, asked(**values))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            {"sampler": "Euler", "sampling": {"eta": 0.5}},
            "sampling.eta: is nothing that Euler has; what can be set for it: s_churn, s_tmin, ",
        ),
        (
            {"sampler": "LCM", "sampling": {"s_noise": 1.0}},
            "sampling.s_noise: is nothing that LCM has; what can be set for it: nothing",
        ),
        (
            {"sampler": "DPM adaptive", "sampling": {"order": 1}},
            "sampling.order: must be one of 2, 3 for DPM adaptive, got 1",
        ),
        (
            {"sampler": "UniPC", "sampling": {"solver_type": "heun"}},
            "sampling.solver_type: must be one of bh1, bh2 for UniPC, got heun",
        ),
        (
            {"sampler": "Euler", "schedule_options": {"rho": 5}},
            "schedule_options.rho: is nothing that Uniform has; what can be set for it: shift",
        ),
        (
            {"schedule": "Simple", "schedule_options": {"sigma_min": 1}},
            "schedule_options.sigma_min: is nothing that Simple has",
        ),
        (
            {"schedule_options": {"sigmas": [3, 1, 0], "rho": 5}, "steps": 2},
            "schedule_options.rho: own sigmas leave nothing to set",
        ),
    ],
)
def test_what_they_have_not_is_refused(values, complaint):
    with pytest.raises(InvalidRequest) as refused:
        check_options(REGISTRY, asked(**values))
    assert str(refused.value).startswith(complaint)


def settable(function):
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_both_sides_know_the_same_samplers_in_the_same_order():
    assert list(SAMPLERS) == list(ENTRIES)
    assert list(INFOS) == ["Automatic", *SCHEDULES]


@pytest.mark.parametrize("name", ENTRIES)
def test_both_sides_say_the_same_of_a_sampler(name):
    info, entry = SAMPLERS[name], ENTRIES[name]
    has = settable(entry.sample)
    has.pop("unguided", None)
    has.pop("split", None)  # how noise comes in: the model says it
    assert set(info.parameters) == set(has)
    assert set(has) <= {each for each in SamplingOptions.__dataclass_fields__}
    assert info.automatic == entry.automatic
    assert info.orders[:1] == ((has["order"],) if "order" in has else ())
    assert info.solver_types[:1] == ((has["solver_type"],) if "solver_type" in has else ())
    assert info.help.endswith(".")


@pytest.mark.parametrize("name", SCHEDULES)
def test_both_sides_say_the_same_of_a_schedule(name):
    assert set(INFOS[name].parameters) == set(settable(SCHEDULES[name]))
    assert set(INFOS[name].parameters) <= set(ScheduleOptions.__dataclass_fields__)
    assert INFOS[name].help.endswith(".")


def test_the_docs_have_every_sampler_and_every_schedule_with_its_words():
    docs = (Path(__file__).parent.parent / "docs" / "samplers.md").read_text("utf-8")
    assert re.findall(r"^\| (.+?) \| [\d.]+(?: in all)? \|", docs, re.MULTILINE) == list(SAMPLERS)
    for info in SCHEDULE_INFOS[1:]:
        assert f"| {info.name} | {info.help} |\n" in docs


def test_no_two_share_a_name():
    for table in (SAMPLERS, INFOS):
        names = [each.casefold() for info in table.values() for each in (info.name, *info.aliases)]
        assert len(names) == len(set(names))


def test_automatic_is_a1111s_choice():
    chosen = {
        name: info.automatic for name, info in SAMPLERS.items() if info.automatic != "Uniform"
    }
    assert chosen == dict.fromkeys(
        ("DPM++ 2M", "DPM++ SDE", "DPM++ 2S a", "DPM2", "DPM2 a", "Restart"), "Karras"
    ) | dict.fromkeys(("DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"), "Exponential")

"""The settings that suit a model, from the text beside it: taken where a request gives none."""

import json

import pytest

from webui import copies
from webui.services import request_of

TURBO = {"steps": 4, "cfg_scale": 1.5, "sampler": "k_euler_a", "schedule": "Karras", "clip_skip": 2}
SUITED = {
    "steps": 4,
    "guidance_scale": 1.5,
    "sampler": "Euler a",
    "schedule": "Karras",
    "clip_skip": 2,
}


@pytest.fixture
def beside(services):
    """Writes the text beside the model."""

    def write(settings):
        path = services.settings.models_dir / "checkpoints" / "toy.json"
        path.write_text(json.dumps({"default_settings": settings}))

    return write


def made(services, **values):
    request = request_of(services, {"prompt": "x", "seed": 1} | values)
    return {name: getattr(request, name) for name in SUITED}


def test_a_request_gets_what_suits_its_model_and_keeps_what_it_gives(services, beside):
    usual = made(services)
    beside(TURBO)
    assert made(services) == SUITED
    given = {"steps": 9, "guidance_scale": 7.0, "clip_skip": 1}
    assert made(services, **given) == SUITED | given
    for pair in ({"sampler": "Euler a"}, {"sampler": "Euler a", "schedule": "Automatic"}):
        assert made(services, **pair) == SUITED | {"sampler": "Euler a", "schedule": "Automatic"}
    levels = {"schedule_options": {"sigmas": [9.5, 0.1, 0]}}
    assert made(services, **levels) == SUITED | {"steps": 2}
    beside({})
    assert made(services) == usual


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0}, {"steps": "4"}, {"steps": 4.5}, {"cfg_scale": True}, {"cfg_scale": 1e9},
        {"sampler": "none of these"}, {"schedule": 5}, {"clip_skip": None}, {"prompt": "mine"},
        {"sampler": "Euler a", "schedule": "none of these"}, {"sampler": "\ud800"},
        {"schedule": "Karras" + " " * 10**6}, [], "steps", 7, None,
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_passed_over(services, client, beside, wrong):
    usual = made(services)
    beside(wrong)
    assert made(services) == usual
    listed = {each["name"]: each for each in client.get("/api/v1/models").json()["models"]}
    assert listed["toy"]["settings"] == {}
    if isinstance(wrong, dict):
        beside({"steps": 6} | wrong)
        assert made(services) == usual | ({} if "steps" in wrong else {"steps": 6})


def test_lists_say_what_suits_a_model(services, client, beside):
    beside(TURBO)
    [toy] = [e for e in client.get("/api/v1/models").json()["models"] if e["name"] == "toy"]
    assert toy["settings"] == SUITED
    rows = client.get("/api/v1/shelf/checkpoints").json()["items"]
    assert {each["name"]: each["settings"] for each in rows} == {"broken": {}, "toy": SUITED}


@pytest.mark.parametrize(
    ("own", "values"),
    [
        (TURBO, {}),
        (TURBO, {"steps": 20, "guidance_scale": 7.0}),
        (TURBO, {"sampler": "Euler a", "schedule": "Automatic", "clip_skip": 1}),
        ({"sampler": "Euler a"}, {"sampler": "Euler a", "schedule": "Karras"}),
        ({"sampler": "Euler a"}, {"sampler": "DPM++ 2M"}),
        ({"schedule": "Karras"}, {"sampler": "DPM++ 2M"}),
        ({"steps": 7}, {"schedule_options": {"sigmas": [9.5, 0.1, 0]}}),
        ({"steps": 7}, {"steps": 20, "sampler": "Euler a"}),
    ],
)
def test_a_copy_of_a_request_says_what_its_model_would_change(services, beside, own, values):
    beside(own)
    asked = copies.asked(services, {"prompt": "x", "seed": 9} | values)
    assert request_of(services, asked.said) == asked.request
    if not values:
        assert asked.said == {"prompt": "x", "seed": 9}

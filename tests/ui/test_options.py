"""What of the form's settings reaches a request, and what no sampler or schedule there has."""

from typing import Any

import gradio as gr
import pytest

from webui.errors import InvalidRequest
from webui.fields import FIELDS
from webui.interfaces import SamplerInfo
from webui.request import GenerationRequest, SamplingOptions, ScheduleOptions, Variation
from webui.services import request_of
from webui.ui import boxes, form, image_values, options

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

PLAIN: dict[str, Any] = {
    **{"prompt": "car", "model": "small", "seed": 5, "steps": 20, "rng": "cpu"},
    **{"sampler": "Euler", "schedule": "Karras"},
    **{name: None for name in FIELDS if "." in name and not image_values.own(name)},
    **{"sampling.order": "", "sampling.solver_type": "", "schedule_options.sigmas": None},
    **{"variation.seed": -1, "variation.strength": 0},
}


def request(services: Any, changed: dict[str, Any]) -> GenerationRequest:
    return request_of(services, options.packed(services.registry, PLAIN | changed))


def test_what_is_left_empty_leaves_the_request_as_it_was(services) -> None:
    assert request(services, {}) == GenerationRequest(
        model="small", prompt="car", seed=5, sampler="Euler", schedule="Karras", width=128,
        height=128,
    )  # fmt: skip


def test_a_sampler_is_told_what_it_has_and_nothing_else(services) -> None:
    everything = {
        "sampling.eta": 0.5,
        "sampling.s_churn": 3,
        "sampling.s_noise": 1.01,
        "sampling.order": "2",
        "sampling.solver_type": "bh2",
    }
    told = {
        name: request(services, everything | {"sampler": name}).sampling
        for name in ("Euler", "Euler a", "UniPC", "PLMS")
    }
    assert told == {
        "Euler": SamplingOptions(s_churn=3, s_noise=1.01),
        "Euler a": SamplingOptions(eta=0.5, s_noise=1.01),
        "UniPC": SamplingOptions(order=2, solver_type="bh2"),
        "PLMS": SamplingOptions(),
    }


def test_a_schedule_is_told_what_it_has_and_automatic_what_it_stands_for(services) -> None:
    ends = {"schedule_options.sigma_min": 0.1, "schedule_options.rho": 5}

    def told(sampler: str, schedule: str) -> ScheduleOptions:
        chosen = {"sampler": sampler, "schedule": schedule}
        return request(services, ends | chosen).schedule_options

    assert told("Euler", "Karras") == ScheduleOptions(sigma_min=0.1, rho=5)
    assert told("Euler", "Exponential") == ScheduleOptions(sigma_min=0.1)
    assert told("Euler", "Automatic") == ScheduleOptions()  # which is Uniform
    assert told("DPM2", "Automatic") == ScheduleOptions(sigma_min=0.1, rho=5)  # Karras


def test_how_a_prompt_is_read_reaches_the_request(services) -> None:
    made = request(services, {"emphasis": "no norm", "clip_skip": 2})
    assert (made.emphasis, made.clip_skip) == ("no norm", 2)


@pytest.mark.parametrize(
    ("name", "sent", "place"),
    [
        (
            "emphasis",
            "No norm",
            {"element": "txt2img_emphasis", "inside": "txt2img_prompt_options"},
        ),
        ("clip_skip", 13, {"element": "setting_CLIP_stop_at_last_layers"}),
    ],
)
def test_what_is_wrong_of_it_is_marked_in_its_place(services, name, sent, place) -> None:
    with pytest.raises(InvalidRequest) as raised:
        request(services, {name: sent})
    shown = form.shown_fields("txt2img")[raised.value.field]
    assert shown == {"label": FIELDS[name].label, **place}


def test_own_noise_levels_take_the_place_of_schedule_and_steps(services) -> None:
    own = {"schedule_options.sigmas": "14.6, 3,1 , 0", "schedule_options.rho": 5}
    made = request(services, own)
    assert (made.schedule_options, made.steps) == (ScheduleOptions(sigmas=(14.6, 3, 1, 0)), 3)


def test_a_second_seed_counts_only_with_a_strength(services) -> None:
    assert request(services, {"variation.seed": 9}).variation is None
    varied = request(services, {"variation.seed": 9, "variation.strength": 0.3})
    assert varied.variation == Variation(seed=9, strength=0.3)
    drawn = request(services, {"variation.strength": 0.3}).variation
    assert drawn is not None and 0 <= drawn.seed < 2**32


def test_the_noise_of_another_size_and_of_a_graphics_card_can_be_had(services) -> None:
    size = {"seed_resize.width": 256, "seed_resize.height": 128}
    made = request(services, size | {"rng": "nv"})
    assert (made.seed_resize, made.rng) == ((256, 128), "nv")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("sampling.eta", 1.5),
        ("sampling.eta", "much"),
        ("sampling.s_noise", {}),
        ("schedule_options.sigma_min", float("nan")),
        ("schedule_options.sigmas", "14, seven, 0"),
        ("schedule_options.sigmas", "1, 2, 0"),
        ("schedule_options.sigmas", "5"),
        ("schedule_options.sigmas", "inf, 0"),
        ("schedule_options.sigmas", ["14", 0]),
        ("variation.strength", 2),
        ("variation.strength", "9" * 5000),
        ("seed_resize.height", 100),
        ("rng", "gpu"),
    ],
)
def test_what_is_wrong_is_marked_in_its_fold(services, name, sent) -> None:
    size = {"seed_resize.width": 256} if name.startswith("seed_resize") else {}
    with pytest.raises(InvalidRequest) as raised:
        request(services, {"sampler": "Euler a", **size, name: sent})
    marked = form.shown_fields("txt2img")[raised.value.field]
    assert marked["element"] == form.element_id("txt2img", name)
    assert marked["inside"] in ("txt2img_sampler_options", "txt2img_subseed_row")


@pytest.mark.parametrize("sent", ["3", "bh1", "9" * 5000])
def test_an_order_that_no_menu_offers_is_refused_at_its_menu(services, sent) -> None:
    with pytest.raises(InvalidRequest) as raised:
        request(services, {"sampler": "DPM adaptive", "sampling.order": sent + "0"})
    assert raised.value.field == "sampling.order"


def test_half_a_size_is_refused_at_the_half_that_is_missing(services) -> None:
    with pytest.raises(InvalidRequest, match=r"seed_resize\.height: is empty"):
        request(services, {"seed_resize.width": 256})


def test_a_sampler_says_what_a_step_costs() -> None:
    infos = {"A": SamplerInfo(name="A", order=2, calls=2, help="Good."), "B": SamplerInfo(name="B")}
    with gr.Blocks():
        box = boxes.choice("txt2img", "sampler", ["A", "B"], "A")
        said = boxes.explained("txt2img", "sampler", box, infos)
    assert (
        "Good. <span>(order 2 · 2 model calls a step · Automatic is Uniform)</span>" in said.value
    )

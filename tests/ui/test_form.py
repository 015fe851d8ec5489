"""From what a browser sends to a job, and from an error to the field that is marked."""

from typing import Any

import gradio as gr
import pytest

from webui.errors import Failure, InvalidRequest
from webui.fields import BATCH_COUNT, FIELDS
from webui.ui import boxes, form, generating

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

DEFAULTS: dict[str, Any] = {
    "prompt": "a red car",
    "negative_prompt": "",
    "model": "small",
    "sampler": "Euler",
    "schedule": "Karras",
    "steps": 20,
    "guidance_scale": 7,
    "width": 128,
    "height": 128,
    "batch_count": 1,
    "batch_size": 1,
    "seed": 5,
}


@pytest.fixture
def fields() -> form.Form:
    with gr.Blocks():
        return form.Form("txt2img", {name: gr.Textbox() for name in DEFAULTS})


def click(services: Any, fields: form.Form, **changed: Any) -> dict[str, Any]:
    values = DEFAULTS | changed
    sent = {component: values[name] for name, component in fields.components.items()}
    return generating.queued(services, fields, sent, "tab1")


def test_a_click_queues_what_the_form_says_for_the_tab_it_came_from(services, fields) -> None:
    answer = click(services, fields, steps=12.0, batch_count=2, batch_size=3)
    ((request, owner),) = services.line.submitted
    assert (answer["job"], owner) == ("job1", "tab1")
    assert (request.prompt, request.seed, request.steps) == ("a red car", 5, 12)
    assert (request.images, request.batch_size) == (6, 3)
    assert "error" not in answer


def test_seed_minus_one_becomes_a_number_that_is_new_each_time(services, fields) -> None:
    for _ in range(3):
        click(services, fields, seed=-1)
    seeds = {request.seed for request, _ in services.line.submitted}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("steps", 151),
        ("steps", None),
        ("steps", "many"),
        ("steps", float("nan")),
        ("steps", 2.5),
        ("guidance_scale", float("inf")),
        ("guidance_scale", "7"),
        ("width", 500),
        ("height", {}),
        ("batch_size", 9),
        ("batch_count", 0),
        ("batch_count", None),
        ("seed", -2),
        ("seed", 10**400),
        ("seed", True),
        ("sampler", "nosuch"),
        ("schedule", None),
        ("model", "../../etc"),
        ("model", ["small"]),
        ("prompt", 7),
        ("prompt", None),
        ("negative_prompt", "\ud800"),
    ],
)
def test_whatever_is_wrong_names_its_field_and_queues_nothing(services, fields, name, sent) -> None:
    error = click(services, fields, **{name: sent})["error"]
    assert error["label"] == form.declared(name).label
    assert error["element"] == form.element_id("txt2img", name)
    assert error["text"].endswith(".")
    assert services.line.submitted == []


@pytest.mark.parametrize(
    ("name", "sent", "said"),
    [
        ("seed", -7, "must be -1 for a random one, or 0 to 4294967295; got -7."),
        ("prompt", "a cat\0", "has an invisible character, U+0000, at place 6; take it out."),
        ("prompt", "\ud83d", "has half a character, U+D83D, at place 1; take it out."),
    ],
)
def test_what_is_wrong_is_said_in_words_that_help(services, fields, name, sent, said) -> None:
    assert click(services, fields, **{name: sent})["error"]["text"] == said


def test_an_empty_seed_is_a_random_one(services, fields) -> None:
    for _ in range(2):
        click(services, fields, seed=None)
    first, second = (request.seed for request, _ in services.line.submitted)
    assert first != second


def test_two_equal_errors_are_two_answers(services, fields) -> None:
    first, second = (click(services, fields, steps=0) for _ in range(2))
    assert first["error"] == second["error"]
    assert first != second


def test_an_empty_number_is_called_empty_and_a_value_proposed(fields) -> None:
    sent = {component: DEFAULTS[name] for name, component in fields.components.items()}
    sent[fields.components["steps"]] = None
    with pytest.raises(InvalidRequest, match=r"steps: is empty; try 20"):
        fields.values(sent)


def test_too_many_pictures_marks_the_batch_count() -> None:
    marked = form.complaint("txt2img", Failure("InvalidRequest", "must be fewer", "images"))
    assert marked == {
        "text": "must be fewer.",
        "label": "Batch count",
        "element": "txt2img_batch_count",
    }


def test_an_error_of_no_field_is_said_whole() -> None:
    said = form.complaint("txt2img", Failure("LineFull", "10000 jobs wait"))
    assert said == {"text": "10000 jobs wait.", "label": "", "element": ""}


def test_every_control_shows_the_declared_label_help_and_range() -> None:
    with gr.Blocks():
        for name in ("steps", "guidance_scale", "width", "height", "batch_count", "batch_size"):
            field = BATCH_COUNT if name == "batch_count" else FIELDS[name]
            slider = boxes.slider("txt2img", name)
            assert (slider.label, slider.info) == (field.label, field.help)
            shown = (slider.minimum, slider.maximum, slider.step, slider.value)
            assert shown == (field.minimum, field.maximum, field.step, field.default)

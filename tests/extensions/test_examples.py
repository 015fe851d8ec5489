"""The examples of docs/extensions.md, each run as it stands, and what it does."""

import json
import logging
import re
import sys
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from tests.extensions.test_hooks import HOOKS, section
from tests.upscaler_files import put, repeating
from webui import InvalidRequest, from_dict, to_dict
from webui.events import Finished, Queued
from webui.extensions import BUILTIN, Shelves, of_engine, of_server
from webui.extensions.loading import PACKAGE, asked
from webui.request import Hires, Upscale
from webui.testing import Extension
from webui.trajectories import read_step
from webui.ui import page

SEEN: dict[str, str] = {}  # hook -> the test of it, filled in by `shows`
HALF = {"example": {"strength": 0.5}}
WHOLE = {"example": {"strength": 1.0}}


def shows(hook):
    """Marks the test of an example."""

    def marked(test):
        SEEN[hook] = test.__name__
        return test

    return marked


def code(hook, part):
    return "".join(re.findall(rf"```python\n# {part}\.py\n(.*?)```", section(hook), re.S))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def example(tmp_path):
    """The extension of a section; with the controls of theirs where it needs them. `server` and
    `engine` are further lines, as a test needs them to look at it."""

    def made(hook, *, controls=True, server="", engine=""):
        parts = {"server": code(hook, "server") + server, "engine": code(hook, "engine") + engine}
        if controls and "register_controls" not in parts["server"]:
            parts["server"] += code("controls", "server")
        folder = tmp_path / "example"
        folder.mkdir()
        touched = {
            each for text in parts.values() for each in re.findall(r"def register_(\w+)", text)
        }
        lines = ['id = "example"', 'name = "Example"', 'version = "1"', 'description = "."',
                 'api = ">=1.0,<2"', f"touches = {sorted(touched)}"]  # fmt: skip
        lines += [f'{part} = "{part}"' for part, text in parts.items() if text]
        (folder / "extension.toml").write_text("\n".join(lines).replace("'", '"'))
        for part, text in parts.items():
            (folder / f"{part}.py").write_text(text)
        (folder / "example.js").write_text("darkroom.example = 1;\n")
        (folder / "example.css").write_text(".example { color: var(--dk-text); }\n")
        place = tmp_path / "place"
        place.mkdir()
        return Extension(folder, place)

    yield made
    for name in [each for each in sys.modules if f"{each}.".startswith(f"{PACKAGE}.example.")]:
        del sys.modules[name]  # other tests have one of that name


def head_of(extension):
    """Of a page with this extension alone."""
    shelves = Shelves()
    shelves.add("example", extension.tables("server"))
    return page._head(of_server(shelves))


def pixels(made):
    assert made.mishaps == ()
    return [each.tobytes() for each in made.pictures]


def values_of(picture):
    return np.asarray(picture, dtype=np.int16)


# --- of the server --------------------------------------------------------------------------------


@shows("samplers")
def test_its_sampler_is_eulers_method(example):
    extension = example("samplers", controls=False)
    ((_, told),) = extension.tables("server")["samplers"]
    assert told.name == "Example Euler"
    mine = extension.run(sampler="Example Euler", steps=5)
    ours = extension.run(sampler="Euler", steps=5)
    assert len(mine.steps) == 5
    assert abs(values_of(mine.pictures[0]) - values_of(ours.pictures[0])).max() <= 1
    assert pixels(mine) != pixels(extension.run(sampler="Heun", steps=5))


@shows("schedules")
def test_its_schedule_falls_evenly_to_nothing(example):
    extension = example("schedules", controls=False)
    made = extension.run(sampler="Euler", schedule="Example Linear", steps=5)
    assert made.mishaps == ()
    levels = [each.sigma for each in made.steps]
    assert levels[-1] == 0
    falls = [one - other for one, other in pairwise(levels)]
    assert falls == pytest.approx([levels[0] / 4] * 4)


@shows("previews")
def test_its_preview_is_the_first_channel_in_grey(example):
    extension = example("previews", controls=False)
    ((name, decode),) = extension.tables("engine")["previews"]
    ((_, told),) = extension.tables("server")["previews"]
    assert (name, told.label) == (told.name, "Grey")
    latents = torch.linspace(-3, 3, 2 * 4 * 2 * 2).reshape(2, 4, 2, 2)
    made = decode(latents, None)
    assert torch.equal(made, latents[:, [0, 0, 0]].clamp(-1, 1))


@shows("upscalers")
def test_its_upscaler_makes_even_squares(example):
    extension = example("upscalers", controls=False)
    corners = Image.new("RGB", (64, 64), "black")
    corners.paste("red", (0, 0, 32, 32))
    upscale = Upscale(picture=extension.picture(corners), upscaler="Example Box", scale=2.0)
    made = extension.run(upscale=upscale)
    assert made.mishaps == ()
    assert (
        made.pictures[0].tobytes() == corners.resize((128, 128), Image.Resampling.NEAREST).tobytes()
    )
    second = extension.run(hires=Hires(scale=2.0, upscaler="Example Box", strength=0.0))
    assert second.pictures[0].size == (128, 128) and second.mishaps == ()


@shows("tabs")
def test_its_tab_has_a_box_for_notes(example):
    ((_, tab),) = example("tabs", controls=False).tables("server")["tabs"]
    with gr.Blocks(analytics_enabled=False) as blocks:
        tab.build(None, None)
    (box,) = [each for each in blocks.blocks.values() if isinstance(each, gr.Textbox)]
    assert (tab.title, box.label, box.lines) == ("Notes", "Notes", 8)


@shows("routes")
def test_its_route_says_who_waits(example):
    with example("routes", controls=False).client() as client:
        answer = client.get("/api/v1/extensions/example/waiting")
    assert (answer.status_code, answer.json()) == (200, {"waiting": 0})


@shows("controls")
def test_its_control_is_checked_and_stands_in_the_text(example):
    extension = example("controls")
    made, plain = extension.run(extras=HALF), extension.run()
    assert (made.texts, plain.texts) == ((("Example strength: 0.5",),), ((),))
    assert pixels(made) == pixels(plain)
    with pytest.raises(InvalidRequest, match="extras.example.strength: must be from 0 to 1"):
        extension.request(extras={"example": {"strength": 2.0}})


@shows("request_filters")
def test_its_filter_makes_the_picture_both_ways(example):
    extension = example("request_filters")
    both = extension.filter(width=64, height=128, extras=HALF)
    assert [(each.width, each.height) for each in both.requests] == [(64, 128), (128, 64)]
    assert len(extension.filter(extras=HALF).requests) == 1
    assert len(extension.filter(width=64, height=128).requests) == 1
    assert both.mishaps == ()


@shows("prompt_blocks")
def test_its_tag_says_how_soft(example):
    extension = example("prompt_blocks")
    tagged = extension.request(prompt="a <soft:0.3> fox <soft:0.5>")
    assert tagged.extras == {"example": {"on": False, "by_tag": 0.5}}
    assert extension.request(prompt="a fox").extras == {}
    made, plain = extension.run(prompt="a fox <soft:0.5>"), extension.run(prompt="a fox")
    assert pixels(made) == pixels(plain)  # the tag is no word of the prompt


@shows("settings_pages")
def test_its_setting_is_changed_and_a_filter_finds_it(example):
    extension = example(
        "settings_pages",
        server="""
from dataclasses import replace
from webui import RequestFilter

@hookimpl
def register_request_filters():
    said = lambda request, context: [replace(request, prompt=str(dict(context.settings)))]
    return [RequestFilter(needs="example", apply=said)]
""",
    )
    assert extension.filter(extras=HALF).prompts == ("{'loud': False}",)
    with extension.client() as client:
        said = client.patch("/api/v1/extensions/example/settings", json={"loud": True})
        assert said.json()["values"] == {"loud": True}
    assert extension.filter(extras=HALF).prompts == ("{'loud': True}",)


@shows("send_targets")
def test_its_target_is_a_button_that_posts_to_its_route(example):
    extension = example(
        "send_targets",
        controls=False,
        server="""
from fastapi import APIRouter, Body

def router(services):
    router = APIRouter(prefix="/api/v1/extensions/example")

    @router.post("/receive")
    def receive(sent: dict = Body(...)):
        return {"said": f"{sent['width']} wide"}

    return router

@hookimpl
def register_routes():
    return [router]
""",
    )
    (line,) = re.findall(r"darkroom.sendTargets = (.*);</script>", head_of(extension))
    (target,) = json.loads(line)
    assert target == {"name": "example", "label": "Example", "help": "Counts the picture.",
                      "address": "api/v1/extensions/example/receive"}  # fmt: skip
    with extension.client() as client:
        assert client.post(f"/{target['address']}", json={"width": 64}).json() == {
            "said": "64 wide"
        }


@shows("event_listeners")
def test_its_listener_writes_down_how_a_job_ended(example, caplog):
    extension = example("event_listeners", controls=False)
    with caplog.at_level(logging.INFO):
        assert extension.tell(Queued(0), Finished("done"), job="mine") == ()
    said = [each.getMessage() for each in caplog.records if "example" in each.name]
    assert said == ["job mine is done"]


@shows("metadata_fields")
def test_its_key_counts_the_words(example):
    extension = example("metadata_fields", controls=False)
    assert extension.text(extension.request(prompt="a red fox")) == ("Example words: 3",)


@shows("axes")
def test_its_axis_ends_the_prompt(example):
    extension = example("axes", controls=False)
    ((_, axis),) = extension.tables("server")["axes"]
    told = to_dict(extension.request())
    axis.put(told, "at noon", ("at night", "at noon"))
    assert from_dict(told) == extension.request(prompt="a red fox, at noon")


@pytest.mark.parametrize(
    ("hook", "file", "kind"),
    [
        pytest.param("scripts", "example.js", "text/javascript", id="scripts"),
        pytest.param("styles", "example.css", "text/css", id="styles"),
    ],
)
def test_its_file_is_on_the_page(example, hook, file, kind):
    extension = example(hook, controls=False)
    assert f"api/v1/extension-files/example/{file}" in head_of(extension)
    with extension.client() as client:
        answer = client.get(f"/api/v1/extension-files/example/{file}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert answer.text == (extension.folder / file).read_text()


SEEN |= dict.fromkeys(("scripts", "styles"), "test_its_file_is_on_the_page")


# --- of the engine --------------------------------------------------------------------------------


@shows("conditioning_transforms")
def test_its_transform_takes_the_words_away(example):
    extension = example("conditioning_transforms")
    plain, half = extension.run(), extension.run(extras=HALF)
    assert pixels(half) != pixels(plain)
    without = [pixels(extension.run(prompt=each, extras=WHOLE)) for each in ("a fox", "two ships")]
    assert without[0] == without[1]  # nothing of them is left


@shows("denoiser_wrappers")
def test_its_wrapper_takes_a_share_of_what_the_model_says(example):
    extension = example("denoiser_wrappers")
    plain, made = (extension.run(steps=1, sampler="Euler", extras=each) for each in ({}, HALF))
    assert made.mishaps == ()
    ours, mine = (read_step(each.kept, 0, 1).denoised for each in (plain, made))
    assert mine == pytest.approx(0.95 * ours)


@shows("attention_processors")
def test_its_processor_makes_attentions_look_everywhere(example):
    extension = example("attention_processors", engine=WATCHED)
    plain, made = extension.run(), extension.run(extras=WHOLE)
    assert pixels(made) != pixels(plain)
    places = extension.module("engine").ASKED
    assert places and any(each.startswith("up_blocks") for each in places)
    torch.manual_seed(0)
    query, key, value = torch.rand(3, 1, 2, 5, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    quiet = extension.module("engine").quieter(attend, places[max(places)], View({"strength": 1.0}))
    assert torch.allclose(quiet(query, key, value), value.mean(-2, keepdim=True).expand_as(value))
    other = extension.module("engine").quieter(attend, places[min(places)], View({"strength": 1.0}))
    assert other is attend  # of the way down


class View:
    def __init__(self, values):
        self.values = values


WATCHED = """
ASKED = {}
ours = quieter

def quieter(attend, place, view):
    ASKED[place.name] = place
    return ours(attend, place, view)
"""


@shows("step_listeners")
def test_its_listener_notes_every_step(example):
    extension = example(
        "step_listeners",
        engine="""
from webui import DenoiserWrapper
STATES = []

def watched(denoise, view):
    STATES.append(view.state)
    return denoise

@hookimpl
def register_denoiser_wrappers():
    return [DenoiserWrapper(needs="example", wrap=watched)]
""",
    )
    made = extension.run(extras=HALF, steps=3)
    assert pixels(made) == pixels(extension.run(steps=3))
    (state,) = extension.module("engine").STATES
    noted = {step: read_step(made.kept, 0, step).denoised.std(ddof=1) for step in (1, 2, 3)}
    assert state == pytest.approx(noted, rel=1e-3)


@shows("image_operations")
def test_its_operation_stretches_the_picture(example):
    extension = example("image_operations")
    plain, made = extension.run(), extension.run(extras=HALF)
    assert pixels(made) == [ImageOps.autocontrast(plain.pictures[0]).tobytes()]
    assert pixels(made) != pixels(plain)


@shows("families")
def test_its_family_stands_beside_ours_and_changes_none(example):
    from webui.engine import builtin

    extension = example("families", controls=False)
    shelves = Shelves()
    shelves.add(BUILTIN, asked(builtin, BUILTIN, "engine"))
    ours = dict(of_engine(shelves).families)
    shelves.add("example", extension.tables("engine"))
    families = dict(of_engine(shelves).families)
    assert families.keys() - ours.keys() == {"example"}
    with pytest.raises(NotImplementedError):
        families["example"].load(None, None, None)
    assert len(pixels(extension.run())) == 1  # with a model of one of ours


@shows("upscaler_families")
def test_its_upscaler_family_stands_behind_ours(example):
    extension = example("upscaler_families", controls=False)
    ((_, family),) = extension.tables("engine")["upscaler_families"]
    assert family.recognises(None) is False
    put(extension.place / "models", "twice", repeating(ups=1))
    picture = extension.picture(Image.new("RGB", (64, 64), "teal"))
    made = extension.run(upscale=Upscale(picture=picture, upscaler="twice", scale=2.0))
    assert (made.pictures[0].size, made.mishaps) == ((128, 128), ())
    assert set(np.asarray(made.pictures[0]).reshape(-1, 3)[0]) == {0, 128}


def test_every_example_is_run():
    assert SEEN.keys() == {hook for _, hook in HOOKS}
    assert all(name in globals() for name in SEEN.values())

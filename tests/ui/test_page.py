"""The page as it is served: what is in it, what it must never hold."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import webui.ui
from webui import setting_values
from webui.request import GenerationRequest
from webui.ui import form, live, page, quick_settings
from webui.ui.element_ids import IDS

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

HERE = Path(webui.ui.__file__).parent

A1111_IDS = {
    "txt2img_prompt",
    "txt2img_neg_prompt",
    "txt2img_token_counter",
    "txt2img_negative_token_counter",
    "txt2img_generate",
    "txt2img_interrupt",
    "txt2img_steps",
    "txt2img_cfg_scale",
    "txt2img_sampling",
    "txt2img_scheduler",
    "txt2img_width",
    "txt2img_height",
    "txt2img_batch_count",
    "txt2img_batch_size",
    "txt2img_seed",
    "txt2img_random_seed",
    "txt2img_reuse_seed",
    "txt2img_subseed",
    "txt2img_subseed_strength",
    "txt2img_seed_resize_from_w",
    "txt2img_seed_resize_from_h",
    "txt2img_res_switch_btn",
    "txt2img_gallery",
    "txt2img_extra_tabs",
    "img2img_extra_tabs",
    "quicksettings",
    "setting_sd_model_checkpoint",
    "setting_sd_vae",
    "setting_CLIP_stop_at_last_layers",
    "refresh_sd_model_checkpoint",
}


@pytest.fixture
def config(services: Any) -> dict[str, Any]:
    return page.build(services).get_config_file()


def component(config: dict[str, Any], element: str) -> dict[str, Any]:
    (props,) = (
        each["props"] for each in config["components"] if each["props"].get("elem_id") == element
    )
    return props


def test_every_element_that_users_of_a1111_know_has_its_id(config) -> None:
    ids = [each["props"].get("elem_id") for each in config["components"]]
    assert set(ids) >= A1111_IDS
    assert all(ids.count(each) == 1 for each in A1111_IDS)


def test_the_size_is_the_models_own(config) -> None:
    assert component(config, "setting_sd_model_checkpoint")["value"] == "small"
    assert component(config, "txt2img_width")["value"] == 128
    assert component(config, "txt2img_height")["value"] == 128


def test_the_settings_are_those_that_suit_the_model(services) -> None:
    text = {"default_settings": {"steps": 4, "cfg_scale": 1.5, "sampler": "LCM", "clip_skip": 2}}
    services.library.folder.mkdir()
    (services.library.folder / "small.json").write_text(json.dumps(text))
    config = page.build(services).get_config_file()
    elements = ("steps", "cfg_scale", "sampling", "scheduler")
    for tab in ("txt2img", "img2img", "inpaint"):
        shown = [component(config, f"{tab}_{each}")["value"] for each in elements]
        assert shown == [4, 1.5, "LCM", "Automatic"]
    assert component(config, "setting_CLIP_stop_at_last_layers")["value"] == 2


def brought(services: Any, model: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a form once that model is chosen."""
    with gr.Blocks():
        quick = quick_settings.build(services)
        boxes = {name: gr.Number(elem_id=name) for name in values}
        quick_settings.bring(services, quick, boxes)
        events = gr.context.Context.root_block.fns.values()
        chosen = next(e for e in events if e.outputs and e.outputs[0] is boxes["width"])
    updates = zip(values, chosen.fn(model, *values.values()), strict=True)
    return values | {name: each["value"] for name, each in updates if "value" in each}


SMALL = {
    "width": 128, "height": 128, "steps": 4, "guidance_scale": 1.5,
    "sampler": "LCM", "schedule": "Automatic",
}  # fmt: skip
USUAL = {
    "width": 768, "height": 512, "steps": 20, "guidance_scale": 7.0,
    "sampler": "DPM++ 2M", "schedule": "Automatic",
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        ("wide", SMALL, USUAL),
        ("small", USUAL, SMALL),
        ("gone", USUAL, USUAL),
        # what the user chose stays, and with a side or a sampler what belongs to it
        ("wide", SMALL | {"width": 256}, USUAL | {"width": 256, "height": 128}),
        ("wide", SMALL | {"steps": 9}, USUAL | {"steps": 9}),
        ("small", USUAL | {"schedule": "Karras"}, SMALL | {
            "sampler": "DPM++ 2M", "schedule": "Karras"}),
    ],
)  # fmt: skip
def test_another_model_brings_what_suits_it(services, model, before, after) -> None:
    text = {"default_settings": {"steps": 4, "cfg_scale": 1.5, "sampler": "LCM"}}
    services.library.folder.mkdir()
    (services.library.folder / "small.json").write_text(json.dumps(text))
    assert brought(services, model, before) == after


def test_a_model_that_cannot_be_used_is_there_and_says_so(services) -> None:
    services.library.names = ["small", "broken"]
    choices = component(page.build(services).get_config_file(), "setting_sd_model_checkpoint")
    shown = [tuple(each) for each in choices["choices"]]
    assert shown == [("small", "small"), ("broken\u2063 — no unet", "broken")]


def test_the_page_stands_without_any_model(services) -> None:
    services.library.names = []
    config = page.build(services).get_config_file()
    assert component(config, "setting_sd_model_checkpoint").get("value") is None
    assert component(config, "txt2img_width")["value"] == 512


def test_no_event_is_public_and_none_waits_for_another(services) -> None:
    events = page.build(services).fns.values()
    assert {event.api_visibility for event in events} == {"private"}
    assert {event.concurrency_limit for event in events if event.fn} == {None}


def test_no_state_is_held_because_it_takes_a_connection(config) -> None:
    assert "state" not in {each["type"] for each in config["components"]}


def test_the_served_page_is_ours_and_asks_nothing_of_other_machines(services) -> None:
    app = FastAPI()
    page.mount(app, services)
    with TestClient(app) as client:
        html = client.get("/").text
        served = client.get("/config").json()
    assert '<meta property="og:title" content="Darkroom" />' in html
    assert live.read("live.js")[:40] in served["head"]
    assert served["css"]
    assert served["footer_links"] == []
    ours = [served["css"], *(path.read_text(encoding="utf-8") for path in HERE.glob("*.html"))]
    foreign = r"https?://(?!www\.w3\.org/2000/svg)[\w.]+"
    assert re.findall(foreign, "".join([page._head(services.registry), *ours])) == []


def test_outputs_are_served_in_place_and_nothing_else_is(services, tmp_path) -> None:
    outputs = services.settings.outputs
    outputs.mkdir()
    (outputs / "a.png").write_bytes(b"picture")
    (tmp_path / "secret.txt").write_text("secret")
    app = FastAPI()
    page.mount(app, services)
    with TestClient(app) as client:
        assert client.get(f"/gradio_api/file={outputs / 'a.png'}").content == b"picture"
        assert client.get(f"/gradio_api/file={tmp_path / 'secret.txt'}").status_code == 403


def test_pictures_hang_with_the_grid_first_and_unknown_jobs_are_empty_walls(services) -> None:
    saved = tuple(SimpleNamespace(image=image, path=f"d/{image}.png") for image in (1, 0, -1))
    asked = GenerationRequest(model="m", prompt="p", seed=1, images=2)
    services.line.job = lambda id: SimpleNamespace(pictures=saved, request=asked)
    hung = [str(services.settings.outputs / f"d/{image}.png") for image in (-1, 0, 1)]
    assert page._pictures(services, {"id": "x"}) == hung
    for nonsense in (None, 7, {}, {"id": 7}):
        assert page._pictures(services, nonsense) == []


def test_an_unknown_job_has_no_pictures(services) -> None:
    assert page._pictures(services, {"id": "nosuch"}) == []


@pytest.mark.parametrize("script", sorted(HERE.glob("*.js")), ids=lambda path: path.name)
def test_scripts_never_make_elements_out_of_text(script: Path) -> None:
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    text = script.read_text(encoding="utf-8")
    assert [each for each in forbidden if each in text] == []
    assert "</script" not in text


class _Controls(HTMLParser):
    """Collects controls that no screen reader could name."""

    def __init__(self) -> None:
        super().__init__()
        self.nameless: list[str] = []
        self.labels = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.labels += tag == "label"
        if tag in ("input", "select", "svg") and not (
            self.labels or given.get("aria-label") or given.get("aria-hidden")
        ):
            self.nameless.append(f"{tag} {given}")

    def handle_endtag(self, tag: str) -> None:
        self.labels -= tag == "label"


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.html")))
def test_every_control_of_ours_has_a_name(name: str) -> None:
    controls = _Controls()
    controls.feed(live.read(name))
    assert controls.nameless == []


def test_fields_that_the_user_wants_above_the_tabs_stand_there_and_nowhere_else(services) -> None:
    wanted = ("sampler", "schedule", "steps", "guidance_scale", "batch_count", "batch_size")
    services.settings.quicksettings = (*wanted, "emphasis", "rng")
    config = page.build(services).get_config_file()
    ids = [str(each["props"].get("elem_id")) for each in config["components"]]
    for end in ("sampling", "scheduler", "steps", "cfg_scale", "batch_count", "emphasis", "rng"):
        forms = {f"{tab}_{end}" for tab in ("txt2img", "img2img", "inpaint")}
        assert not forms & set(ids) and f"setting_{end}" in ids
    assert component(config, "setting_steps")["value"] == 20
    assert component(config, "setting_sampling")["value"] == "DPM++ 2M"
    assert component(config, "setting_emphasis")["value"] == "original"
    assert "txt2img_prompt_options" not in ids
    assert len(set(ids) - {"None"}) == len([each for each in ids if each != "None"])


def test_the_settings_name_fields_that_there_are() -> None:
    for name in setting_values.QUICK:
        assert form.shared_id(name) == f"setting_{IDS[name]}"
        assert form.declared(name)

"""Extensions on the page: their controls, tabs, scripts and styles, and what fails of them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
import pytest

from tests.ui.test_form import DEFAULTS
from webui import (
    ChoiceField,
    ControlGroup,
    FlagField,
    IntegerField,
    PageFile,
    SendTarget,
    TextField,
    builtin,
)
from webui.errors import ExtensionError
from webui.extensions import Catalogue
from webui.extensions.answers import check_own
from webui.interfaces.server_hooks import Owned
from webui.ui import form, generating, groups, options, page, recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

GROUP = ControlGroup(
    name="mine",
    title="Mine",
    help="<b>What it does</b>",
    tabs=("txt2img", "inpaint"),
    fields=(
        FlagField(name="on", label="On", help="h"),
        IntegerField(name="times", label="Times", help="h", default=2, minimum=1, maximum=9),
        ChoiceField(name="mode", label="Mode", help="h", default="a", choices=("a", "b")),
        TextField(name="words", label="Words", help="h"),
    ),
)


class Broken:
    id = "mine_broken"
    title = "Broken"

    def build(self, services: Any, model: Any) -> None:
        gr.Textbox(elem_id="half_of_it")
        raise ValueError("<i>in the middle</i>")


class Whole:
    id = "mine_whole"
    title = "Whole"

    def build(self, services: Any, model: Any) -> None:
        gr.Textbox(elem_id="whole")


@pytest.fixture
def extended(services: Any) -> Any:
    services.extensions = Catalogue()
    services.registry = replace(
        services.registry,
        controls={"mine": GROUP},
        tabs=(*services.registry.tabs, Broken(), Whole()),
        owners={"mine_broken": "mine", "mine_whole": "mine", "mine": "mine"},
        scripts=(Owned("mine", PageFile(file="a.js")),),
        styles=(Owned("mine", PageFile(file="a.css")),),
    )
    return services


def ids(services: Any) -> set[str]:
    components = page.build(services).get_config_file()["components"]
    return {each["props"].get("elem_id") for each in components}


def test_a_group_is_a_fold_on_its_tabs_alone(extended: Any) -> None:
    there = ids(extended)
    names = {f"mine_{end}" for end in ("fold", "on", "times", "mode", "words")}
    for tab, has in (("txt2img", True), ("inpaint", True), ("img2img", False)):
        assert names <= {each.removeprefix(f"{tab}_") for each in there if each} or not has
        assert (f"{tab}_mine_on" in there) is has


def test_a_tab_that_cannot_be_built_says_so_and_the_others_stand(extended: Any) -> None:
    config = page.build(extended).get_config_file()
    values = [each["props"].get("value") for each in config["components"]]
    said = "mine, tab mine_broken: ValueError: <i>in the middle</i>. The Extensions tab says more."
    assert said in values
    there = {each["props"].get("elem_id") for each in config["components"]}
    assert {"tab_mine_whole", "whole", "tab_extensions", "txt2img_generate"} <= there
    mishap = extended.extensions.conduct.report()["mine"]["mishap"]
    assert mishap["hook"] == "tab mine_broken"


def test_a_tab_with_a_thousand_parts_is_refused_before_anybody_sees_it(extended: Any) -> None:
    class Huge:
        id = "mine_huge"
        title = "Huge"

        def build(self, services: Any, model: Any) -> None:
            for _ in range(1000):
                gr.HTML()

    with pytest.raises(ExtensionError, match="has 1000 parts; at most 300"):
        page.rehearse(Huge(), extended)
    page.rehearse(Whole(), extended)
    with pytest.raises(ValueError, match="in the middle"):
        page.rehearse(Broken(), extended)


def test_scripts_and_styles_stand_apart_from_ours(extended: Any) -> None:
    head = page._head(extended.registry)
    assert '<script defer src="api/v1/extension-files/mine/a.js"></script>' in head
    assert '<link rel="stylesheet" href="api/v1/extension-files/mine/a.css">' in head


# --- values --------------------------------------------------------------------------------------


@pytest.fixture
def fields(extended: Any) -> form.Form:
    own = groups.fields(extended.registry)
    with gr.Blocks():
        shown = {name: gr.Textbox() for name in [*DEFAULTS, *own]}
        return form.Form("txt2img", MappingProxyType(shown), own)


SENT = {"extras.mine.on": True, "extras.mine.times": 3.0, "extras.mine.mode": "b",
        "extras.mine.words": "x"}  # fmt: skip


def click(extended: Any, fields: form.Form, **changed: Any) -> dict[str, Any]:
    values = DEFAULTS | SENT | changed
    sent = {component: values[name] for name, component in fields.components.items()}
    return generating.queued(extended, fields, sent, "tab1")


def test_what_stands_in_the_controls_arrives_in_extras(extended: Any, fields: form.Form) -> None:
    assert "error" not in click(extended, fields)
    ((request, _),) = extended.line.submitted
    assert request.extras == {"mine": {"on": True, "times": 3, "mode": "b", "words": "x"}}


def test_what_is_typed_for_another_time_is_in_no_request(extended: Any, fields: form.Form) -> None:
    assert "error" not in click(extended, fields, **{"extras.mine.on": False})
    ((request, _),) = extended.line.submitted
    assert request.extras == {}


def test_a_wrong_value_marks_its_control_and_opens_its_fold(extended: Any, fields: Any) -> None:
    answer = click(extended, fields, **{"extras.mine.times": 10.0})
    assert answer["error"] == {
        "text": "must be from 1 to 9, got 10; try 9.",
        "label": "Times",
        "element": "txt2img_mine_times",
        "inside": "txt2img_mine_fold",
    }


def test_several_jobs_are_hung_up_by_their_prompts(extended: Any, fields: Any, monkeypatch) -> None:
    def several(services: Any, values: Any, owner: str) -> Any:
        made = [extended.line.submit(None, owner=owner) for _ in range(2)]
        for job, prompt in zip(made, ("a cat", "a dog" * 99), strict=True):
            job.request = type("Request", (), {"prompt": prompt})
        return made

    monkeypatch.setattr(generating, "submit_all", several)
    answer = click(extended, fields)
    assert answer["jobs"] == [
        {"name": "a cat", "job": "job1"},
        {"name": ("a dog" * 99)[:80], "job": "job2"},
    ]
    assert answer["kind"] == "prompts"


def test_a_recipes_values_fill_the_controls(extended: Any) -> None:
    values = {"extras.mine.on": True, "extras.mine.words": "y", "steps": 9}
    assert options.unpacked(values) == values
    names = ["steps", *SENT]
    order = '{"recipe": {"extras.mine.on": true, "steps": 9}}'
    filled = recipe.filled(extended.registry, names, order)
    assert [each.get("value") for each in filled] == [9, True, None, None, None]


def test_the_page_knows_where_pictures_can_be_sent(services: Any) -> None:
    hostile = SendTarget(name="mine_it", label="</script>", help="h", address="take/it")
    ours = tuple(Owned("builtin", each) for each in builtin.register_send_targets())
    registry = replace(services.registry, send_targets=(*ours, Owned("mine", hostile)))
    (line,) = re.findall(r"<script>darkroom.sendTargets = (.*);</script>", page._head(registry))
    assert "<" not in line
    targets = json.loads(line)
    assert [(each["name"], each["label"], each["address"]) for each in targets] == [
        ("txt2img", "txt2img", ""),
        ("img2img", "img2img", ""),
        ("inpaint", "Inpaint", ""),
        ("extras", "Upscale", ""),
        ("mine_it", "</script>", "api/v1/extensions/mine/take/it"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "img2img"}, "a target's name must be 'mine' or begin so"),
        ({"label": ""}, "the label must have 1 to 40 characters"),
        ({"label": "x" * 41}, "the label must have 1 to 40 characters"),
        ({"address": "../../jobs"}, "is no address like 'receive'"),
        ({"address": "/x"}, "is no address like 'receive'"),
    ],
)
def test_a_target_that_cannot_be_is_refused_at_the_start(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    target = SendTarget(**{"name": "mine", "label": "Mine", **changes})
    with pytest.raises(ExtensionError, match=said):
        check_own("send_targets", [(target.name, target)], "mine", tmp_path)

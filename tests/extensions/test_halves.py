"""Controls whose extension has no half in the engine: it is told, and the picture says so."""

import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.extensions.made import make
from webui import app
from webui import settings as settings_module
from webui.errors import EngineDied
from webui.extensions import Choices, Mishap, Standing, find
from webui.extensions.halves import of_groups
from webui.library import Library
from webui.request import GenerationRequest
from webui.stage import NoEngine


@pytest.fixture
def standings(tmp_path):
    both = {"part": "engine", "manifest": 'server = "server"', "server": ""}
    make(tmp_path, "ink", "", touches=("controls", "image_operations"), **both)
    make(tmp_path, "ink_pen", "", touches=("controls", "step_listeners"), **both)
    make(tmp_path, "walks", "", touches=("controls", "samplers"), **both)
    make(tmp_path, "filters", "", touches=("controls", "request_filters"))
    make(tmp_path, "old", "", touches=("controls", "image_operations"), **both)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "extension.toml").write_text("id = 7")
    found = {each.id: each for each in find(tmp_path, shipped=tmp_path / "none")}
    lacking = replace(found["old"], problem="numpy>=99 is not installed")
    return {
        "ink": Standing(found["ink"], "on"),
        "ink_pen": Standing(found["ink_pen"], "off"),
        "walks": Standing(found["walks"], "off"),
        "filters": Standing(found["filters"], "off"),
        "old": Standing(lacking, "refused", Mishap("old", "extension.toml", lacking.problem)),
        "broken": Standing(found["broken"], "refused"),
    }


def test_what_looks_at_controls_in_the_engine_is_named_with_why_it_is_not_there(standings):
    groups = [
        "ink",
        "ink_more",
        "ink_pen",
        "ink_pen_thin",
        "walks",
        "filters",
        "old",
        "broken",
        "g",
    ]
    said = of_groups(list(standings.values()), groups)
    assert said.pop("broken")[1].endswith("extension.toml: name is missing")
    assert said == {
        "ink": ("ink", ""),
        "ink_more": ("ink", ""),
        "ink_pen": ("ink_pen", "the extension is turned off"),
        "ink_pen_thin": ("ink_pen", "the extension is turned off"),
        "old": ("old", "numpy>=99 is not installed"),
        "g": ("g", "the extension is not installed any more"),
    }


def test_in_safe_mode_that_is_why(standings):
    safe = [replace(each, state="safe mode") for each in standings.values()]
    assert of_groups(safe, ["ink"]) == {"ink": ("ink", "safe mode runs without extensions")}
    refused = replace(
        standings["ink"], state="refused"
    )  # its server half; the engine knows its own
    assert of_groups([refused], ["ink"]) == {"ink": ("ink", "")}


class Listening(NoEngine):
    """Says what it was asked for."""

    def __init__(self):
        self.halves, self.asked = None, threading.Event()

    def run(self, job_id, request, options):
        self.halves = options.halves
        self.asked.set()
        yield from ()
        raise EngineDied("it has heard enough")


def test_a_job_that_waited_while_its_extension_was_turned_off_says_so_to_the_engine(tmp_path):
    make(
        tmp_path / "data" / "extensions", "ink", "", part="engine",
        touches=("controls", "image_operations"), manifest='server = "server"', server="",
    )  # fmt: skip
    Choices(tmp_path / "data").turn("ink", on=False)
    folders = [f"--{name}={tmp_path / name}" for name in ("data-dir", "outputs", "models-dir")]
    folders[0] = f"--data-dir={tmp_path / 'data'}"
    wanted, engine = settings_module.read(folders, {}), Listening()
    asked = GenerationRequest(
        model="m", prompt="p", seed=1,
        extras={"ink": {"on": True}, "did_not_run": ["a note"]},
    )  # fmt: skip
    with ExitStack() as opened:
        services = app.assemble(wanted, Library(wanted.models_dir), engine, opened)
        services.line.submit(asked)
        assert engine.asked.wait(60)
    assert engine.halves == {"ink": ("ink", "the extension is turned off")}

"""Extensions that end the engine's process: the next one starts without, and the job that died ends
with the picture that it would have had. One process dies after the other here."""

import sys

import pytest

from tests.engine.conftest import play, request
from tests.extensions.made import make
from webui.backend import EngineProcess
from webui.errors import EngineDied
from webui.events import Rendered
from webui.settings import environment
from webui.wire import RunOptions

ENGINE = """
import ctypes, os, sys, time
from webui import DenoiserWrapper, ImageOperation, StepListener, hookimpl

def segfaults(seen, view):
    print("x" * 2**20)  # goes to the log, never into the pipe
    ctypes.string_at(0)

def loops(denoise, view):
    def made(x, sigma):
        while view.step() == 2:
            time.sleep(0.01)
        return denoise(x, sigma)
    return made

def exits(picture, view):
    os._exit(0)

def halves(denoise, view):
    return lambda x, sigma: denoise(x, sigma) * 0.5

@hookimpl
def register_HOOK():
    return [KIND]
"""
BOMB = """
import os, __main__
if "rehearsal" not in (__main__.__spec__.name if __main__.__spec__ else ""):
    os._exit(3)  # it behaves at its trial
"""
CULPRITS = {  # id -> its hook, the table, the entry, what the death is called
    "segfaults": ("step listener", "step_listeners", "StepListener(needs='ID', hear=ID)"),
    "loops": ("denoiser wrapper", "denoiser_wrappers", "DenoiserWrapper(needs='ID', wrap=ID)"),
    "exits": ("image operation", "image_operations", "ImageOperation(needs='ID', apply=ID)"),
}
GOOD = ("", "denoiser_wrappers", "DenoiserWrapper(needs='ID', wrap=ID)")
DEATHS = {
    "segfaults": "was ended by signal 11",
    "loops": "got no further for 12 s and was ended",
    "exits": "ended with exit code 0",
}


@pytest.fixture(scope="module")
def engine(models_dir, tmp_path_factory):
    place = tmp_path_factory.mktemp("deaths")
    folders = []
    for id, (_, table, entry) in {**CULPRITS, "halves": GOOD}.items():
        code = ENGINE.replace("HOOK", table).replace("KIND", entry.replace("ID", id))
        folders.append(make(place, id, code, part="engine", touches=(table,)))
    bomb = make(place, "bomb", BOMB, part="engine", touches=())
    blame, begun = place / "hook", place / "begun"
    made = EngineProcess(
        [
            *(sys.executable, "-m", "webui.engine", "--models-dir", str(models_dir)),
            *("--device", "cpu", "--threads", "1", "--blame", str(blame)),
            *("--begun", str(begun), "--trials", str(place / "trials.json")),
            # as those that ship, which are not tried; all but one
            *("--extension", *(f"shipped:{each}" for each in folders), f"installed:{bomb}"),
        ],
        environ=environment(),
        log_path=place / "engine.log",
        stall=12,
        blame=(blame, begun),
    )
    yield made
    made.close()


def asked(id):
    return request(extras={id: {"on": True}}, steps=3)


def played(engine, asked):
    return list(engine.run("job-1", asked, RunOptions()))


def pictures(events):
    return [each.picture.rgb for each in events if isinstance(each, Rendered)]


@pytest.mark.timeout(300)
def test_one_that_ends_the_engine_while_it_is_loaded_is_left_out_by_the_next(engine):
    with pytest.raises(EngineDied, match="; it was in the import of the extension bomb"):
        engine.call("extensions", {}, timeout=120)
    told = engine.call("extensions", {}, timeout=120)
    (bomb,) = [each for each in told["standings"] if each["id"] == "bomb"]
    assert (bomb["state"], bomb["mishap"]["hook"]) == ("refused", "import")
    assert bomb["mishap"]["text"] == "the engine ended or hung while it was loaded"
    assert {each["state"] for each in told["standings"] if each["id"] != "bomb"} == {"on"}


@pytest.mark.timeout(600)
def test_each_death_is_named_the_next_engine_is_without_it_and_the_others_are_there(engine, warm):
    plain = play(warm, request(steps=3)).pictures
    halved = pictures(played(engine, asked("halves")))
    assert halved != plain
    for id, (hook, _, _) in CULPRITS.items():
        with pytest.raises(EngineDied) as caught:
            played(engine, asked(id))
        assert DEATHS[id] in str(caught.value)
        assert (
            str(caught.value)
            .split("\n")[0]
            .endswith(f"; it was in the {hook} of the extension {id}")
        )
        events = played(engine, asked(id))  # as the line does, once
        assert pictures(events) == plain
        (notes,) = [each.notes for each in events if isinstance(each, Rendered)]
        assert notes == (f"Did not run: {id} ({hook}: the engine ended or hung in its {hook})",)
        report = engine.call("extensions", {})["conduct"]
        assert report[id]["off"] == f"the engine ended or hung in its {hook}"
        assert pictures(played(engine, asked("halves"))) == halved
        assert pictures(played(engine, request(steps=3))) == plain

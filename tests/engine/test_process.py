"""The engine's process: spoken to over its pipes, as the server does."""

import io
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from safetensors.torch import load

from tests.engine.conftest import play, request
from webui.engine.samplers import SAMPLERS
from webui.engine.schedules import SCHEDULES
from webui.events import Preview, Rendered, Step
from webui.request import to_dict
from webui.wire import Message, RunOptions, message_event, read, write


class Child:
    """A running engine process; messages other than heartbeats, in order."""

    def __init__(self, models_dir):
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "webui.engine"),
                *("--models-dir", str(models_dir), "--device", "cpu", "--threads", "1"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def send(self, head):
        write(self.process.stdin, Message(head))

    def next(self):
        while (message := read(self.process.stdout)) is not None:
            if "beat" not in message.head:
                return message
        raise AssertionError("the engine's process has ended")

    def run(self, job, asked, **options):
        options = asdict(RunOptions(**options))
        self.send({"run": job, "request": to_dict(asked), "options": options})

    def until_end(self, on_event=lambda event: None):
        """The events of a run, the answers to calls in between, and its end."""
        events, answers = [], []
        while True:
            message = self.next()
            if "event" in message.head:
                events.append(message_event(message))
                on_event(events[-1])
            elif "answer" in message.head:
                answers.append(message)
            else:
                return events, answers, message.head

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def child(models_dir):
    child = Child(models_dir)
    yield child
    child.process.kill()
    child.process.wait()
    child.process.stdin.close()
    child.process.stdout.close()


@pytest.fixture(scope="module")
def hello(child):
    return child.next().head["hello"]


def test_it_says_what_it_can_do(hello):
    memory = hello["memory"]
    assert memory > 2**20
    assert hello == {
        "device": "CPU (fp32)",
        "memory": memory,
        "main_memory": memory,
        "offload": "none",
        "weight_bytes": 4,
        "samplers": list(SAMPLERS),
        "schedules": list(SCHEDULES),
        "previews": ["fast", "tiny", "vae"],
        "extensions": {"standings": [], "conduct": {}},
    }


def test_a_run_over_the_pipe_gives_the_engines_own_events(child, hello, engine):
    asked = request(images=2)
    child.run("job-1", asked, predicted="fast", every=2)
    events, _, end = child.until_end()
    here = play(engine, asked, RunOptions(predicted="fast", every=2))
    there = {
        kind: [each.picture for each in events if isinstance(each, kind)]
        for kind in (Rendered, Preview)
    }
    assert there[Rendered] == [each.picture for each in here.of(Rendered)]
    # the map to colours is fitted anew in each process, where the last bits may differ
    for one, other in zip(there[Preview], here.of(Preview), strict=True):
        levels = [np.frombuffer(each.rgb, np.uint8).astype(int) for each in (one, other.picture)]
        assert np.abs(levels[0] - levels[1]).max() <= 1
    assert [each.request for each in events if isinstance(each, Rendered)] == [
        request(seed=11),
        request(seed=12),
    ]
    assert end == {"end": "job-1", "outcome": "done"}


@pytest.mark.parametrize(
    ("keep", "outcome", "pictures"), [(True, "stopped", 1), (False, "cancelled", 0)]
)
def test_a_stop_acts_within_a_step_and_only_on_its_own_job(child, hello, keep, outcome, pictures):
    def stop_at_step_3(event):
        if isinstance(event, Step) and event.step == 1:
            child.send({"call": 1, "name": "stop", "args": {"job": "another", "keep": keep}})
        if isinstance(event, Step) and event.step == 3:
            child.send({"call": 2, "name": "stop", "args": {"job": "job-2", "keep": keep}})

    child.run("job-2", request(steps=150))
    events, answers, end = child.until_end(stop_at_step_3)
    assert end == {"end": "job-2", "outcome": outcome}
    assert [each.head["value"] for each in answers] == [{"stopping": False}, {"stopping": True}]
    assert len([each for each in events if isinstance(each, Rendered)]) == pictures
    steps = [each.step for each in events if isinstance(each, Step)]
    assert len(steps) < 30  # the engine runs on while the stop is on its way through the pipe


def test_previews_can_be_switched_on_in_the_middle_of_a_run(child, hello):
    def switch_on(event):
        if isinstance(event, Step) and event.step == 2:
            args = {"noisy": "fast", "predicted": None, "every": 1}
            child.send({"call": 3, "name": "previews", "args": args})

    child.run("job-3", request(steps=60))
    events, _, _ = child.until_end(switch_on)
    previews = [each for each in events if isinstance(each, Preview)]
    assert {each.kind for each in previews} == {"noisy"}
    assert previews[-1].step == 60


def test_an_error_ends_the_job_with_its_field_and_the_next_job_runs(child, hello):
    child.run("job-4", request(sampler="Eular"))
    _, _, end = child.until_end()
    assert end == {
        "end": "job-4",
        "error": {
            "kind": "InvalidRequest",
            "text": f"'Eular' is not known; known are {', '.join(SAMPLERS)}",
            "field": "sampler",
        },
    }
    child.run("job-5", request(steps=1))
    assert child.until_end()[2] == {"end": "job-5", "outcome": "done"}


def test_a_kept_step_is_drawn_again_on_request(child, hello, tmp_path):
    child.run("job-6", request(), keep=str(tmp_path), noisy="vae")
    events, _, _ = child.until_end()
    preview = next(each for each in events if isinstance(each, Preview) and each.step == 4)
    look = {"batch": 0, "step": 4, "kind": "noisy", "method": "vae"}
    args = {"keep": str(tmp_path), "look": look}
    child.send({"call": 9, "name": "preview", "args": args})
    answer = child.next()
    assert answer.head == {"answer": 9, "value": {"width": 64, "height": 64}}
    assert answer.blobs == (preview.picture.rgb,)
    child.send({"call": 10, "name": "preview", "args": args | {"look": look | {"step": 99}}})
    assert child.next().head == {"answer": 10, "value": None}


def test_a_kept_step_of_another_model_waits_until_nothing_runs(child, hello, tmp_path):
    child.run("job-8", request(model="tiny-v"), keep=str(tmp_path))
    child.until_end()
    child.send({"call": 12, "name": "unload", "args": {"model": "tiny-v"}})
    assert child.next().head["value"] == {"unloaded": ["tiny-v"]}
    look = {"batch": 0, "step": 1, "kind": "noisy", "method": "fast"}
    args = {"keep": str(tmp_path), "look": look}

    def ask_at_step_2(event):
        if isinstance(event, Step) and event.step == 2:
            child.send({"call": 13, "name": "preview", "args": args})
            child.send({"call": 14, "name": "status", "args": {}})

    child.run("job-9", request(model="tiny", steps=60))
    _, answers, end = child.until_end(ask_at_step_2)
    refused, status = sorted(answers, key=lambda message: message.head["answer"])
    assert refused.head["error"]["kind"] == "EngineBusy"
    assert (status.head["value"]["model"], end["outcome"]) == ("tiny", "done")
    child.send({"call": 15, "name": "preview", "args": args})
    assert child.next().head["value"] == {"width": 8, "height": 8}


def test_a_mix_becomes_the_bytes_of_an_embedding_file(child, hello):
    mix = "<mix:cat,panda:0.4>"
    child.send({"call": 16, "name": "embedding", "args": {"model": "tiny", "text": mix}})
    made = child.next()
    assert made.head["value"] == {"bytes": len(made.blobs[0])}
    assert {name: tuple(each.shape) for name, each in load(made.blobs[0]).items()} == {
        "emb_params": (1, 32)
    }
    child.send({"call": 17, "name": "embedding", "args": {"model": "tiny", "text": "a AND b"}})
    assert child.next().head["error"]["field"] == "text"


def test_an_unknown_call_is_an_error_and_not_the_end(child, hello):
    child.send({"call": 11, "name": "explode", "args": {}})
    assert child.next().head["error"]["kind"] == "InvalidRequest"
    child.send({"call": 12, "name": "status", "args": {}})
    assert child.next().head["value"]["device"] == "CPU (fp32)"


def test_it_ends_when_the_pipe_closes_even_in_mid_run(models_dir):
    child = Child(models_dir)
    child.next()
    child.run("job-7", request(steps=150))
    while not isinstance(message_event(child.next()), Step):
        pass
    assert child.close() == 0


def test_a_device_that_is_not_there_ends_it_with_a_sentence(models_dir):
    command = [sys.executable, "-m", "webui.engine", "--models-dir", str(models_dir)]
    ended = subprocess.run(
        [*command, "--device", "cuda"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    assert ended.returncode == 1
    said = read(io.BytesIO(ended.stdout)).head["hello"]["error"]
    assert said.startswith("device: cuda was asked for, but this torch sees no such card; ")


def test_a_model_is_let_go_when_no_job_runs(child):
    def ask_at_step_2(event):
        if isinstance(event, Step) and event.step == 2:
            child.send({"call": 21, "name": "unload", "args": {"model": None}})

    child.send({"call": 20, "name": "unload", "args": {"model": None}})
    child.next()
    child.run("job-u", request(model="tiny", steps=30))
    _, (refused,), end = child.until_end(ask_at_step_2)
    assert (refused.head["error"]["kind"], end["outcome"]) == ("EngineBusy", "done")
    for number, gone in enumerate((["tiny"], []), 22):
        child.send({"call": number, "name": "unload", "args": {"model": None}})
        assert child.next().head["value"] == {"unloaded": gone}
    child.send({"call": 24, "name": "status", "args": {}})
    assert child.next().head["value"]["model"] is None

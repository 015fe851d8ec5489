"""The engine process, played by tests/stub_engine.py: no torch, real pipes, real deaths."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.stub_engine import signature
from webui.backend import EngineProcess, process
from webui.errors import (
    EngineDied,
    EngineNotStarted,
    EngineRestarted,
    InvalidRequest,
    OutOfMemory,
)
from webui.events import Preview, Rendered, Skipped, Stage, Step
from webui.request import GenerationRequest
from webui.wire import RunOptions

STUB = Path(__file__).with_name("stub_engine.py")


@pytest.fixture
def start(tmp_path):
    started = []

    def start(*arguments, **options):
        command = [sys.executable, str(STUB), "--beat", "0.1", *arguments]
        log_path = tmp_path / "data" / "engine.log"
        engine = EngineProcess(command, environ=os.environ, log_path=log_path, **options)
        started.append(engine)
        return engine

    yield start
    for engine in started:
        engine.close()


def request(prompt="", **values):
    return GenerationRequest(
        **{"model": "m", "prompt": prompt, "seed": 7, "steps": 3, "width": 64, "height": 64}
        | values
    )


def play(engine, asked, job="job-0001", **options):
    """(events, outcome) of a whole run."""
    run = engine.run(job, asked, RunOptions(**options))
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_a_run_yields_what_the_engine_sends_and_returns_the_outcome(start):
    events, outcome = play(start(), request(images=3, batch_size=2), noisy="fast", every=3)
    assert outcome == "done"
    seen = [event for event in events if isinstance(event, Step | Preview)]
    assert [(type(event).__name__, event.batch, event.step) for event in seen] == [
        *[("Step", 0, 1), ("Step", 0, 2), ("Step", 0, 3), ("Preview", 0, 3)],
        *[("Step", 1, 1), ("Step", 1, 2), ("Step", 1, 3), ("Preview", 1, 3)],
    ]
    rendered = [event for event in events if isinstance(event, Rendered)]
    assert [(each.image, signature(each.picture.rgb)) for each in rendered] == [
        (image, ("job-0001", 7 + image)) for image in range(3)
    ]
    assert rendered[2].request == request(seed=9)


def test_it_says_what_state_it_is_in(start):
    engine = start("--late", "0.3")
    assert engine.state().state in ("dead", "starting")
    run = engine.run("job-0001", request("sleep=0.05"), RunOptions())
    next(run)
    busy = engine.state()
    assert (busy.state, busy.device, busy.hello["pid"]) == ("busy", "stub", busy.pid)
    run.close()
    assert engine.state().state == "ready"
    engine.close()
    assert (engine.state().state, engine.state().pid) == ("dead", None)


def test_an_error_in_the_engine_is_raised_as_itself_and_the_next_run_works(start):
    engine = start()
    with pytest.raises(OutOfMemory, match=r"^raised as asked$"):
        play(engine, request("error@2:OutOfMemory"))
    assert play(engine, request())[1] == "done"
    assert engine.state().state == "ready"


def test_what_a_library_prints_does_not_garble_the_pipe(start, tmp_path):
    assert play(start(), request("noise@1"))[1] == "done"
    assert (tmp_path / "data" / "engine.log").exists()


def test_calls_are_answered_in_mid_run_each_its_own(start):
    engine = start()
    run = engine.run("job-0001", request("sleep=0.02", steps=150), RunOptions())
    next(run)
    answers = {}

    def ask(number):
        look = {"batch": number, "step": 1, "kind": "noisy", "method": "fast"}
        args = {"keep": "/nowhere", "look": look}
        name = "status" if number % 2 else "preview"
        answers[number] = engine.call(name, args)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    status = {"device": "stub", "dtype": "none", "model": None, "memory": 0}
    assert answers == {number: status if number % 2 else None for number in range(8)}
    run.close()


def test_a_call_brings_its_blob_and_its_error(start, tmp_path):
    engine = start()
    (tmp_path / "0.kept").write_text("3")
    look = {"batch": 0, "step": 2, "kind": "noisy", "method": "fast"}
    args = {"keep": str(tmp_path), "look": look}
    answer = engine.call("preview", args)
    blob = answer.pop("blob")
    assert (answer, len(blob)) == ({"width": 8, "height": 8}, 192)
    assert signature(blob) == (tmp_path.name, 2)
    with pytest.raises(InvalidRequest, match="'nonsense' is no call"):
        engine.call("nonsense", {})


def test_a_call_that_is_not_answered_in_time_raises(start):
    engine = start()
    run = engine.run("job-0001", request("sleep=0.5"), RunOptions())
    next(run)
    with pytest.raises(EngineDied, match=r"did not answer 'status' in 0\.1 s"):
        engine.call("status", {}, timeout=0.1)
    assert engine.call("status", {}, timeout=0) is None  # sent, not waited for
    run.close()


@pytest.mark.parametrize(
    ("keep", "outcome", "pictures"), [(True, "stopped", 1), (False, "cancelled", 0)]
)
def test_a_stop_ends_the_run_with_or_without_its_picture(start, keep, outcome, pictures):
    engine = start()
    run = engine.run("job-0001", request("sleep=0.02", steps=150), RunOptions())
    next(run)
    engine.call("stop", {"job": "another1", "keep": False})
    next(run)
    engine.call("stop", {"job": "job-0001", "keep": keep})
    events = []
    with pytest.raises(StopIteration) as end:
        while True:
            events.append(next(run))
    assert end.value.value == outcome
    assert len([event for event in events if isinstance(event, Rendered)]) == pictures


def test_a_closed_run_leaves_nothing_for_the_next_one(start):
    engine = start()
    run = engine.run("job-0001", request("sleep=0.1", steps=150), RunOptions(noisy="fast"))
    assert next(run) == Stage("loading model")
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 5  # it is told to stop, not waited for
    events, outcome = play(engine, request(steps=2), job="job-0002")
    assert outcome == "done"
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2]
    assert [signature(e.picture.rgb)[0] for e in events if isinstance(e, Rendered)] == ["job-0002"]


def test_previews_are_dropped_and_nothing_else_when_nobody_reads(start):
    engine = start()
    run = engine.run("job-0001", request(steps=150), RunOptions(noisy="fast", predicted="fast"))
    next(run)
    eventually(lambda: engine.call("status", {}) and engine.state().state == "busy")
    time.sleep(0.5)  # the stub has done it all by now
    events = list(run)
    assert [event.step for event in events if isinstance(event, Step)] == list(range(1, 151))
    assert len([event for event in events if isinstance(event, Rendered)]) == 1
    assert 10 < len([event for event in events if isinstance(event, Preview)]) < 200


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_engine_fails_run_and_call_and_is_started_again(start, death):
    engine = start()
    run = engine.run("job-0001", request("hang@1"), RunOptions())
    next(run)
    failed = []

    def ask():
        with pytest.raises(EngineDied) as raised:
            engine.call("status", {})
        failed.append(str(raised.value))

    caller = threading.Thread(target=ask)
    caller.start()
    old = engine.state().pid
    time.sleep(0.2)
    os.kill(old, death)
    with pytest.raises(EngineDied, match="signal"):
        next(run)
    caller.join(5)
    assert len(failed) == 1 and "signal" in failed[0]
    assert play(engine, request())[1] == "done"
    assert engine.state().pid != old


def test_an_engine_that_falls_silent_is_killed(start):
    engine = start(silence=0.6)
    started = time.monotonic()
    with pytest.raises(EngineDied, match=r"said nothing for 0.6 s"):
        play(engine, request("mute@2"))
    assert time.monotonic() - started < 5
    assert play(engine, request())[1] == "done"


def test_an_engine_that_works_long_is_not_silent(start):
    engine = start(silence=0.6)
    assert play(engine, request("sleep=0.5"))[1] == "done"
    assert engine.state().state == "ready"


def test_an_engine_that_never_says_hello_is_killed(start):
    engine = start("--late", "60", start_timeout=0.4)
    with pytest.raises(EngineDied, match=r"said nothing for 0.4 s"):
        play(engine, request())


def test_silence_before_hello_has_its_own_limit(start):
    engine = start("--late", "1", silence=0.3)
    assert play(engine, request())[1] == "done"


def test_an_engine_that_dies_at_its_start_stays_dead_until_it_is_needed(start):
    engine = start("--doomed", backoff=0.01)
    eventually(lambda: engine._quick_deaths == 5)
    time.sleep(0.1)
    starts = engine._starts
    time.sleep(0.5)
    assert engine._starts == starts == 5
    state = engine.state()
    assert state.state == "dead"
    assert state.text == "the engine process ended with exit code 1\nno device of that kind"
    with pytest.raises(EngineDied, match="no device of that kind"):
        play(engine, request())
    assert engine._starts == 6
    engine.restart()
    eventually(lambda: engine._starts >= 7)


def test_dying_before_the_hello_is_a_quick_death_however_slow_the_imports_are(start, monkeypatch):
    monkeypatch.setattr(process, "_QUICK", 0.0)
    engine = start("--doomed", backoff=0.01)
    eventually(lambda: engine._quick_deaths == 5)
    time.sleep(0.3)
    assert engine._starts == 5


def test_a_command_that_does_not_exist_is_a_death_with_a_reason(tmp_path):
    engine = EngineProcess(
        [str(tmp_path / "missing")], environ=os.environ, log_path=tmp_path / "engine.log"
    )
    with pytest.raises(EngineDied, match=r"cannot be started: .*missing"):
        play(engine, request())
    engine.close()


def test_restart_replaces_an_engine_that_hangs(start):
    engine = start()
    run = engine.run("job-0001", request("hang@1"), RunOptions())
    next(run)
    old = engine.state().pid
    engine.restart()
    with pytest.raises(EngineDied, match="restarted"):
        next(run)
    assert play(engine, request())[1] == "done"
    assert engine.state().pid != old


def test_an_engine_that_was_ended_on_purpose_blames_no_extension(start, tmp_path):
    blame = (tmp_path / "hook", tmp_path / "begun")
    engine = start(blame=blame)
    engine.call("status", {})
    blame[1].write_text("one\nimport")
    with pytest.raises(EngineDied, match="; it was in the import of the extension one$"):
        play(engine, request("die@1"))
    assert blame[1].exists()  # the next one reads it
    engine.call("status", {})
    blame[0].write_text("two\nstep listener".ljust(120))
    engine.close()
    assert [each.exists() for each in blame] == [False, False]


def test_close_ends_the_process_and_what_runs(start):
    engine = start()
    run = engine.run("job-0001", request("hang@1"), RunOptions())
    next(run)
    pid = engine.state().pid
    started = time.monotonic()
    engine.close()
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EngineDied):
        next(run)
    with pytest.raises(EngineDied, match="closed"):
        engine.call("status", {})


def test_a_long_log_starts_anew_and_a_short_one_goes_on(start, tmp_path):
    log = tmp_path / "data" / "engine.log"
    log.parent.mkdir()
    log.write_text("yesterday\n")
    engine = start()
    engine.call("status", {})
    assert log.read_text() == "yesterday\n"
    log.write_bytes(b"x" * (5 * 2**20 + 1))
    engine.restart()
    engine.call("status", {})
    assert log.read_bytes() == b""


def test_two_runs_at_once_wait_for_each_other(start):
    engine = start()
    results = []

    def run(job):
        events, outcome = play(engine, request("sleep=0.01"), job=job)
        owners = {signature(e.picture.rgb)[0] for e in events if isinstance(e, Rendered)}
        results.append((outcome, owners == {job}))

    threads = [threading.Thread(target=run, args=(f"job-000{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == [("done", True)] * 4


def test_a_run_that_gets_nowhere_is_ended_though_its_heart_beats(start):
    engine = start(stall=0.5)
    began = time.monotonic()
    with pytest.raises(EngineDied, match=r"got no further for 0\.5 s and was ended"):
        play(engine, request("hang@2"))
    assert time.monotonic() - began < 10
    assert play(engine, request())[1] == "done"


def test_a_run_with_slow_steps_gets_more_time(start):
    """20 times its slowest step, which is more than what was set."""
    engine = start(stall=0.2)
    assert play(engine, request("sleep=0.1 render=0.9", steps=2))[1] == "done"


def test_an_idle_engine_and_one_that_may_take_for_ever_are_left_alone(start):
    engine = start(stall=0.2)
    play(engine, request())
    pid = engine.state().pid
    time.sleep(0.6)
    assert engine.state().pid == pid
    patient = start(stall=0)
    assert play(patient, request("sleep=0.4", steps=1))[1] == "done"


def test_an_engine_that_cannot_start_says_so_by_its_own_error(start):
    with pytest.raises(EngineNotStarted, match="no device of that kind"):
        play(start("--doomed", backoff=0.01), request())
    engine = start()
    run = engine.run("job-0001", request("hang@1"), RunOptions())
    next(run)
    engine.restart()
    with pytest.raises(EngineRestarted):
        next(run)
    with pytest.raises(EngineDied) as raised:
        play(engine, request("die@1"))
    assert type(raised.value) is EngineDied


def test_a_skip_leaves_out_one_batch_and_only_of_its_own_job(start):
    engine = start()
    run = engine.run("job-0001", request("sleep=0.02", steps=20, images=2), RunOptions())
    next(run)
    engine.call("skip", {"job": "another1", "batch": 0})
    engine.call("skip", {"job": "job-0001", "batch": 0})
    events = []
    with pytest.raises(StopIteration) as end:
        while True:
            events.append(next(run))
    assert end.value.value == "done"
    [skipped] = [event for event in events if isinstance(event, Skipped)]
    assert skipped.batch == 0 and skipped.step < 5
    assert [event.image for event in events if isinstance(event, Rendered)] == [1]

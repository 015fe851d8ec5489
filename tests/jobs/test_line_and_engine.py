"""The line with a real engine process (tests/stub_engine.py), killed for good."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jobs.fakes import eventually, request
from tests.stub_engine import signature
from webui.backend import EngineProcess
from webui.events import Finished, Look, Resumed, Saved, Stage, Step
from webui.jobs.job import PreviewChoice
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.jobs.work import Workshop

ROOT = Path(__file__).parents[2]


class Bench:
    """A line and its engine over one folder."""

    def __init__(self, folder):
        command = [sys.executable, str(ROOT / "tests" / "stub_engine.py"), "--beat", "0.1"]
        self.folder = folder
        self.engine = EngineProcess(command, environ=os.environ, log_path=folder / "engine.log")
        self.store = Store(folder / "jobs.sqlite")
        self.line = JobLine(
            self.store,
            Log(),
            Workshop(
                run=self.engine.run,
                stop=lambda job, keep: self.engine.call("stop", {"job": job, "keep": keep}, 0),
                skip=lambda job, batch: self.engine.call("skip", {"job": job, "batch": batch}, 0),
                show=lambda choice: self.engine.call("previews", vars_of(choice), 0),
                save=self.save,
                save_grid=lambda job, pictures: None,
                keep_folder=lambda job_id: folder / "kept" / job_id,
                inputs=folder / "inputs",
                kept_steps=lambda folder, batch: kept(folder / f"{batch}.kept"),
                tidy=lambda: None,
                preview=lambda *place: None,
            ),
        )

    def save(self, job, rendered):
        path = self.folder / f"{job.id}-{rendered.image}.raw"
        assert not path.exists(), "a picture must be saved once"
        path.write_bytes(rendered.picture.rgb)
        return Saved(rendered.image, path.name, rendered.request, 0.5, 9, 64, 64)

    def events(self, job_id):
        return [event for _, event in self.line.read(job_id, 0)[0]]

    def steps(self, job_id):
        return [(e.batch, e.step) for e in self.events(job_id) if isinstance(e, Step)]

    def ended(self, job_id):
        eventually(lambda: self.line.job(job_id).finished is not None, 20)
        return self.line.job(job_id)

    def close(self):
        self.line.close()
        self.engine.close()
        self.store.close()


def kept(path):
    return int(path.read_text()) if path.exists() else 0


def vars_of(choice):
    return {"noisy": choice.noisy, "predicted": choice.predicted, "every": choice.every}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_an_engine_killed_in_mid_run_is_resumed_at_its_last_kept_step(bench):
    asked = request(images=3, prompt="sleep=0.03", steps=6)
    job, after = bench.line.submit(asked), bench.line.submit(request(1))
    eventually(lambda: (1, 3) in bench.steps(job.id))
    os.kill(bench.engine.state().pid, signal.SIGKILL)
    done = bench.ended(job.id)
    assert (done.state, done.attempts, len(done.pictures)) == ("done", 2, 3)
    (resumed,) = [event for event in bench.events(job.id) if isinstance(event, Resumed)]
    assert resumed.batch == 1 and resumed.step >= 3
    kept = [(batch, step) for batch in range(3) for step in range(1, 7)]
    steps = bench.steps(job.id)
    # at most the step that was kept, and not yet told, at the moment of the kill is missing
    assert steps == sorted(set(steps)) and len(kept) - len(steps) <= 1
    for image, saved in enumerate(done.pictures):
        assert signature((bench.folder / saved.path).read_bytes()) == (job.id, 7 + image)
    assert bench.ended(after.id).state == "done"


def test_an_engine_that_dies_twice_interrupts_its_job_and_serves_the_next(bench):
    job, after = bench.line.submit(request(prompt="die@1 die@2")), bench.line.submit(request(1))
    ended = bench.ended(job.id)
    assert (ended.state, ended.attempts, ended.error.kind) == ("interrupted", 2, "EngineDied")
    assert "down 2 times" in ended.error.text and "exit code 1" in ended.error.text
    assert bench.ended(after.id).state == "done"


def test_stop_and_cancel_reach_the_engine(bench):
    jobs = [bench.line.submit(request(n, prompt="sleep=0.02", steps=150)) for n in range(3)]
    eventually(lambda: bench.steps(jobs[0].id))
    bench.line.stop(jobs[0].id)
    eventually(lambda: bench.steps(jobs[1].id))
    bench.line.cancel(jobs[1].id)
    eventually(lambda: Stage("loading model") in bench.events(jobs[2].id))
    bench.line.cancel(jobs[2].id)
    ended = [bench.ended(job.id) for job in jobs]
    assert [job.state for job in ended] == ["stopped", "cancelled", "cancelled"]
    assert [len(job.pictures) for job in ended] == [1, 0, 0]
    assert all(bench.events(job.id)[-1] == Finished(job.state) for job in ended)


def test_previews_change_in_mid_run(bench):
    job = bench.line.submit(request(prompt="sleep=0.02", steps=30))
    eventually(lambda: bench.line.frame(job.id, Look(0, 2, "noisy", "fast")))
    bench.line.set_previews(PreviewChoice("vae", None, 1))
    eventually(
        lambda: any(bench.line.frame(job.id, Look(0, step, "noisy", "vae")) for step in range(31))
    )
    bench.ended(job.id)


def test_closing_ends_a_running_job_within_ten_seconds(tmp_path):
    bench = Bench(tmp_path)
    job = bench.line.submit(request(prompt="sleep=0.05", steps=150))
    eventually(lambda: bench.steps(job.id))
    begun = time.monotonic()
    bench.line.close()
    assert bench.line.job(job.id).state == "interrupted"
    bench.close()
    assert time.monotonic() - begun < 5


SERVER = """
import sys
from pathlib import Path
from tests.jobs.fakes import request
from tests.jobs.test_line_and_engine import Bench
bench = Bench(Path(sys.argv[1]))
print("open", flush=True)
for number in range(int(sys.argv[2])):
    bench.line.submit(request(number, prompt="sleep=0.01"), id=f"job-{number:05}")
    print("accepted", flush=True)
sys.stdin.read()
"""


def test_killed_servers_lose_no_job_and_double_no_picture(tmp_path):
    waiting = 50
    accepted = 0
    for life in range(6):
        command = [sys.executable, "-c", SERVER, str(tmp_path), str(waiting)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        ) as server:
            assert server.stdout.readline() == b"open\n"
            for _ in range(5 + 9 * life):
                assert server.stdout.readline() == b"accepted\n"
            accepted = max(accepted, 5 + 9 * life)
            time.sleep(0.1)
            os.kill(server.pid, signal.SIGKILL)
    last = Bench(tmp_path)
    eventually(lambda: last.line.waiting() == 0 and last.line.running() is None, 30)
    jobs = list(reversed(last.line.jobs(1000)))
    assert [job.id for job in jobs] == [f"job-{number:05}" for number in range(len(jobs))]
    assert accepted <= len(jobs) <= waiting
    states = [job.state for job in jobs]
    assert set(states) <= {"done", "interrupted"} and states.count("interrupted") <= 6
    starts = [job.started for job in jobs]
    assert starts == sorted(starts)
    last.close()

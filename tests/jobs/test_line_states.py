"""The line against a model of a line, under any order of asking, dying and restarting."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from tests.jobs.fakes import Puppet, eventually, request
from webui.events import Finished, Queued, Resumed, Saved, Started
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store

STEPS = 2


class Expected:
    """What the model knows of a job."""

    def __init__(self, asked):
        self.request = asked
        self.state = "queued"
        self.deaths = 0
        self.steps = 0  # of the batch in hand
        self.batches = 0  # saved whole
        self.resumed = []

    @property
    def images(self):
        return min(self.batches * self.request.batch_size, self.request.images)


class LineAgainstModel(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "0.sqlite"
        self.expected = {}  # id -> Expected, in the order of acceptance
        self.runs = []  # (job, first batch), as they must have begun
        self.first_run = 0  # of them that this puppet has seen
        self.lives = 0
        self.open()

    def open(self):
        self.puppet = Puppet()
        self.store = Store(self.path)
        self.log = Log()
        self.first_run = len(self.runs)
        self.line = JobLine(self.store, self.log, self.puppet.workshop(), max_waiting=5)
        self.old = [job_id for job_id, job in self.expected.items() if job.state != "queued"]
        self.claim()

    def teardown(self):
        self.line.close()
        self.store.close()
        self.folder.cleanup()

    # --- the model ---

    @property
    def running(self):
        return next((id for id, job in self.expected.items() if job.state == "running"), None)

    def queued(self):
        return [id for id, job in self.expected.items() if job.state == "queued"]

    def claim(self):
        if self.running is None and self.queued():
            first = self.queued()[0]
            self.expected[first].state = "running"
            self.runs.append((first, 0))

    def end(self, state):
        self.expected[self.running].state = state
        self.claim()

    # --- what happens ---

    @rule(target=jobs, images=st.integers(1, 5), batch_size=st.integers(1, 2))
    def submit(self, images, batch_size):
        job_id = f"job-{len(self.expected):05}"
        asked = request(len(self.expected), images=images, batch_size=batch_size, steps=STEPS)
        if len(self.queued()) >= 5:
            try:
                self.line.submit(asked, id=job_id)
            except Exception as error:
                assert type(error).__name__ == "LineFull"
                return "no-such-job"
            raise AssertionError("the line took more than it has room for")
        self.line.submit(asked, id=job_id)
        self.expected[job_id] = Expected(asked)
        self.claim()
        return job_id

    @rule(job_id=jobs)
    def submit_again(self, job_id):
        if job_id in self.expected:
            job = self.line.submit(self.expected[job_id].request, id=job_id)
            assert (job.id, job.state) == (job_id, self.expected[job_id].state)

    @precondition(lambda self: self.running)
    @rule()
    def the_engine_makes_a_step(self):
        self.puppet.order("step")
        job = self.expected[self.running]
        job.steps += 1
        if job.steps == STEPS:
            job.steps, job.batches = 0, job.batches + 1
            if job.batches == job.request.batches:
                self.end("done")

    @precondition(lambda self: self.running)
    @rule()
    def the_engine_finishes(self):
        """`finish` holds for the batch that the puppet's run is in and all that follow."""
        self.puppet.order("finish")
        job = self.expected[self.running]
        job.batches = job.request.batches
        self.end("done")

    @precondition(lambda self: self.running)
    @rule()
    def the_engine_fails(self):
        self.puppet.order("fail")
        self.end("failed")

    @precondition(lambda self: self.running)
    @rule()
    def the_engine_dies(self):
        self.puppet.order("die")
        job = self.expected[self.running]
        job.deaths += 1
        if job.deaths == 2:
            return self.end("interrupted")
        job.resumed.append(Resumed(job.batches, job.steps))
        self.runs.append((self.running, job.batches))
        job.steps = 0  # the puppet keeps none

    @rule(job_id=jobs, ask=st.sampled_from(["stop", "cancel"]))
    def ask(self, job_id, ask):
        job = self.expected.get(job_id)
        if job is None:
            return
        getattr(self.line, ask)(job_id)
        if job.state == "queued":
            job.state = "cancelled"
        elif job.state == "running":
            if ask == "stop":
                job.batches += 1
            self.end({"stop": "stopped", "cancel": "cancelled"}[ask])

    @rule()
    def the_server_is_closed_and_started(self):
        self.line.close()
        self.store.close()
        if self.running:
            self.expected[self.running].state = "interrupted"
        self.open()

    @rule()
    def the_server_is_killed_and_started(self):
        """What is on the disk at this moment is all that the next one gets."""
        self.lives += 1
        copy = Path(self.folder.name) / f"{self.lives}.sqlite"
        with (
            contextlib.closing(sqlite3.connect(self.path)) as now,
            contextlib.closing(sqlite3.connect(copy)) as then,
        ):
            now.backup(then)
        self.line.close()
        self.store.close()
        self.path = copy
        if self.running:
            self.expected[self.running].state = "interrupted"
        self.open()

    # --- what must hold ---

    @invariant()
    def the_line_is_as_the_model(self):
        expected = {job_id: job.state for job_id, job in self.expected.items()}

        def states():
            return {job.id: job.state for job in reversed(self.line.jobs(1000))}

        with contextlib.suppress(AssertionError):
            eventually(lambda: states() == expected, 10)
        assert list(states().items()) == list(expected.items())
        eventually(lambda: self.puppet.orders.empty() and len(self.settled()) == 0, 10)
        assert self.puppet.runs == self.runs[self.first_run :]
        assert self.line.waiting() == len(self.queued())
        assert (self.line.running().id if self.line.running() else None) == self.running
        order = [self.running, *self.queued()] if self.running else self.queued()
        assert [self.line.ahead(job_id) for job_id in order] == list(range(len(order)))
        for job_id, job in self.expected.items():
            self.check_pictures_and_log(job_id, job)

    def settled(self):
        """What the threads still have to do."""
        missing = []
        for job_id, job in self.expected.items():
            if len(self.line.job(job_id).pictures) != job.images:
                missing.append(job_id)
        if len(self.puppet.runs) < len(self.runs) - self.first_run:
            missing.append("run")
        return missing

    def check_pictures_and_log(self, job_id, job):
        """Every picture is saved once, and every log is whole."""
        events = [event for _, event in self.line.read(job_id, 0)[0]]
        pictures = self.line.job(job_id).pictures
        assert [saved.image for saved in pictures] == list(range(job.images))
        assert [event for event in events if isinstance(event, Saved)] == list(pictures)
        ends = [event.outcome for event in events if isinstance(event, Finished)]
        assert ends == ([] if job.state in ("queued", "running") else [job.state])
        assert not ends or isinstance(events[-1], Finished)
        if job_id in self.old:
            return
        assert isinstance(events[0], Queued)
        assert [each for each in events if isinstance(each, Resumed)] == job.resumed
        ran = any(isinstance(event, Started) for event in events)
        assert ran == any(job_id == run for run, _ in self.runs)


TestLineAgainstModel = LineAgainstModel.TestCase
TestLineAgainstModel.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)

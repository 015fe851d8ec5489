"""The line against a model of a line, under any order of asking, dying and restarting."""

import contextlib
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from tests.jobs.fakes import Puppet, eventually, request
from webui.errors import LineFull, WrongState
from webui.events import Finished, Queued, Resumed, Saved, Started
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store

STEPS = 2


class Expected:
    """What the model knows of a job."""

    def __init__(self, asked):
        self.request = self.first = asked
        self.state = "queued"
        self.attempts = 0
        self.crashes = 0
        self.steps = 0  # of the batch in hand
        self.batches = 0  # over: saved whole, or skipped
        self.skipped = set()  # batches
        self.dropped = False
        self.resumed = []  # in the log of this server, as `ends`
        self.ends = []

    @property
    def images(self):
        """Those that are saved."""
        size = self.request.batch_size
        over = range(min(self.batches * size, self.request.images))
        return [image for image in over if image // size not in self.skipped]


class LineAgainstModel(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "0.sqlite"
        self.expected = {}  # id -> Expected, in the order of acceptance
        self.places = []  # ids of the waiting, in order
        self.paused = False
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
        self.old = []  # whose first events are forgotten
        for job_id, job in self.expected.items():
            job.resumed, job.ends = [], [job.state] if job_id not in self.places else []
            if job_id not in self.places or job.attempts:
                self.old.append(job_id)
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
        return [id for id in self.places if self.expected[id].state == "queued"]

    def claim(self):
        if self.running is None and self.queued() and not self.paused:
            first = self.queued()[0]
            self.places.remove(first)
            job = self.expected[first]
            job.state = "running"
            job.attempts += 1
            job.steps = 0
            if job.attempts > 1:
                job.resumed.append(Resumed(job.batches, 0))  # the puppet keeps no steps
            self.runs.append((first, job.batches))

    def end(self, state):
        job = self.expected[self.running]
        job.state = state
        job.ends.append(state)
        self.claim()

    def over(self):
        """The running job's batch is."""
        job = self.expected[self.running]
        job.steps, job.batches = 0, job.batches + 1
        if job.batches == job.request.batches:
            self.end("done" if job.images else "cancelled")

    def refused(self, wanted, call, *arguments):
        """Whether the line refuses what the model does not want."""
        try:
            call(*arguments)
        except WrongState:
            assert not wanted
            return True
        assert wanted
        return False

    # --- what happens ---

    @rule(target=jobs, images=st.integers(1, 5), batch_size=st.integers(1, 2))
    def submit(self, images, batch_size):
        job_id = f"job-{len(self.expected):05}"
        asked = request(len(self.expected), images=images, batch_size=batch_size, steps=STEPS)
        return self.accepted(job_id, asked, lambda: self.line.submit(asked, id=job_id))

    @rule(target=jobs, job_id=jobs)
    def retry(self, job_id):
        old, new_id = self.expected.get(job_id), f"job-{len(self.expected):05}"
        if old is None or old.state in ("queued", "paused", "running"):
            return "no-such-job"
        return self.accepted(
            new_id, old.request, lambda: self.line.order.retry(job_id, new_id=new_id)
        )

    def accepted(self, job_id, asked, ask):
        if len(self.places) >= 5:
            try:
                ask()
            except LineFull:
                return "no-such-job"
            raise AssertionError("the line took more than it has room for")
        ask()
        self.expected[job_id] = Expected(asked)
        self.places.append(job_id)
        self.claim()
        return job_id

    @rule(job_id=jobs)
    def submit_again(self, job_id):
        if job_id in self.expected:
            job = self.line.submit(self.expected[job_id].first, id=job_id)
            assert (job.id, job.state) == (job_id, self.expected[job_id].state)

    @precondition(lambda self: self.running)
    @rule()
    def the_engine_makes_a_step(self):
        self.puppet.order("step")
        job = self.expected[self.running]
        job.steps += 1
        if job.steps == STEPS:
            self.over()

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
        job.crashes += 1
        if job.crashes >= 2:
            return self.end("interrupted")
        job.attempts += 1
        job.resumed.append(Resumed(job.batches, job.steps))
        self.runs.append((self.running, job.batches))
        job.steps = 0

    @rule(job_id=jobs, ask=st.sampled_from(["stop", "cancel"]))
    def ask(self, job_id, ask):
        job = self.expected.get(job_id)
        if job is None:
            return
        getattr(self.line, ask)(job_id)
        if job_id in self.places:
            self.cancelled(job_id)
        elif job.state == "running":
            if ask == "stop":
                job.batches += 1
            self.end({"stop": "stopped", "cancel": "cancelled"}[ask])

    def cancelled(self, job_id):
        self.places.remove(job_id)
        self.expected[job_id].state = "cancelled"
        self.expected[job_id].ends.append("cancelled")

    @rule(job_id=jobs)
    def skip(self, job_id):
        job = self.expected.get(job_id)
        if job is None:
            return
        wanted = job.state == "running"
        if not self.refused(wanted, self.line.skip, job_id, job.batches if wanted else None):
            job.skipped.add(job.batches)
            self.over()

    @rule(job_id=jobs, side=st.sampled_from(["front", "back", "before", "after"]), other=jobs)
    def move(self, job_id, side, other):
        if job_id not in self.expected or other not in self.expected:
            return
        beside = side in ("before", "after")
        wanted = job_id in self.places and (not beside or other in self.places)
        if self.refused(wanted, self.line.order.move, job_id, side, other if beside else None):
            return
        if not (beside and other == job_id):
            self.places.remove(job_id)
            at = {"front": 0, "back": len(self.places)}.get(side)
            if beside:
                at = self.places.index(other) + (side == "after")
            self.places.insert(at, job_id)

    @rule(job_id=jobs, seed=st.integers(1000, 1003))
    def edit(self, job_id, seed):
        job = self.expected.get(job_id)
        if job is None:
            return
        new = replace(job.request, seed=seed)
        wanted = job_id in self.places and not job.attempts
        if not self.refused(wanted, self.line.order.edit, job_id, new, job.request):
            job.request = new

    @rule(job_id=jobs)
    def hold(self, job_id):
        job = self.expected.get(job_id)
        wanted = job_id in self.places
        if job and not self.refused(wanted, self.line.order.hold, job_id):
            job.state = "paused"

    @rule(job_id=jobs)
    def resume(self, job_id):
        job = self.expected.get(job_id)
        if job is None or job.state in ("queued", "running"):
            return
        wanted = job.state == "paused" or (job.state == "interrupted" and not job.dropped)
        if self.refused(wanted, self.line.order.resume, job_id):
            return
        if job.state == "interrupted":  # its old place among the others is the line's to know
            self.places.insert(0, job_id)
            if self.running or self.paused:
                order = [each.job.id for each in self.line.overview().waiting]
                assert set(order) == set(self.places)
                assert [id for id in order if id != job_id] == self.places[1:]
                self.places = order
        job.state = "queued"
        self.claim()

    @rule(job_id=jobs)
    def drop(self, job_id):
        job = self.expected.get(job_id)
        if job is None:
            return
        wanted = job_id not in self.places and job.state != "running"
        if not self.refused(wanted, self.line.order.drop, job_id):
            job.dropped = True

    @rule()
    def clear(self):
        assert self.line.order.clear() == len(self.places)
        for job_id in list(self.places):
            self.cancelled(job_id)

    @rule(pause=st.booleans())
    def pause_or_go_on(self, pause):
        (self.line.pause if pause else self.line.resume)()
        self.paused = pause
        self.claim()

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
            self.expected[self.running].crashes += 1
            self.expected[self.running].state = "interrupted"
        self.open()

    # --- what must hold ---

    @invariant()
    def the_line_is_as_the_model(self):
        expected = {id: job.state for id, job in self.expected.items() if not job.dropped}

        def states():
            return {job.id: job.state for job in reversed(self.line.jobs(1000))}

        with contextlib.suppress(AssertionError):
            eventually(lambda: states() == expected, 10)
        assert list(states().items()) == list(expected.items())
        eventually(lambda: self.puppet.orders.empty() and len(self.settled()) == 0, 10)
        assert self.puppet.runs == self.runs[self.first_run :]
        assert self.line.waiting() == len(self.places)
        assert self.line.paused() == self.paused
        assert (self.line.running().id if self.line.running() else None) == self.running
        order = [self.running, *self.queued()] if self.running else self.queued()
        assert [self.line.ahead(job_id) for job_id in order] == list(range(len(order)))
        assert [each.job.id for each in self.line.overview().waiting] == self.places
        for job_id, job in self.expected.items():
            self.check_pictures_and_log(job_id, job)

    def settled(self):
        """What the threads still have to do."""
        missing = []
        for job_id, job in self.expected.items():
            now = self.line.job(job_id)
            images = [saved.image for saved in now.pictures]
            if images != job.images or now.crashes != job.crashes:
                missing.append(job_id)
        if len(self.puppet.runs) < len(self.runs) - self.first_run:
            missing.append("run")
        return missing

    def check_pictures_and_log(self, job_id, job):
        """Every picture is saved once, and every log is whole."""
        events = [event for _, event in self.line.read(job_id, 0)[0]]
        stored = self.line.job(job_id)
        assert (stored.request, stored.attempts) == (job.request, job.attempts)
        assert [saved.request for saved in stored.pictures] == [
            job.request.alone(image) for image in job.images
        ]
        assert [event for event in events if isinstance(event, Saved)] == list(stored.pictures)
        assert [event.outcome for event in events if isinstance(event, Finished)] == job.ends
        ended = job.state not in ("queued", "paused", "running")
        assert ended == isinstance(events[-1], Finished)
        assert [each for each in events if isinstance(each, Resumed)] == job.resumed
        if job_id not in self.old:
            assert isinstance(events[0], Queued)
            ran = any(isinstance(event, Started) for event in events)
            assert ran == any(job_id == run for run, _ in self.runs)


TestLineAgainstModel = LineAgainstModel.TestCase
TestLineAgainstModel.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)

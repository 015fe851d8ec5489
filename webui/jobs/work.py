"""One job carried out: its events followed, its pictures saved, its engine's death survived once.

Knows neither the engine nor the disk: both are functions in a `Workshop`. Knows no other job.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from webui.errors import (
    DarkroomError,
    EngineDied,
    EngineFailed,
    EngineNotStarted,
    EngineRestarted,
    Failure,
    InvalidRequest,
    failure,
)
from webui.events import (
    EngineEvent,
    Look,
    Outcome,
    Picture,
    Preview,
    Rendered,
    Resumed,
    Saved,
    Skipped,
    Started,
    Step,
    Warned,
)
from webui.jobs import speed
from webui.jobs.job import Job, PreviewChoice, whole_batches
from webui.jobs.log import Log
from webui.jobs.meter import Meter
from webui.jobs.speed import Speed
from webui.jobs.store import Store
from webui.request import GenerationRequest
from webui.wire import RunOptions

Wish = Literal["none", "stop", "cancel", "interrupt"]  # each one outranks those before it
_RANK: dict[str, int] = {wish: rank for rank, wish in enumerate(get_args(Wish))}
CLOSED = Failure("EngineDied", "the server was closed while this job ran")
MOST_CRASHES = 2  # of engine or server; after them nobody but a person runs the job again
_STARTS = 3  # of an engine that dies before it can take the job

Run = Generator[EngineEvent, None, str]  # returns "done", "stopped" or "cancelled"
Ending = Outcome | Literal["queued"]  # queued: no engine could be started, the job waits again


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the line is given to work with; functions, so that tests bring three-line ones."""

    run: Callable[[str, GenerationRequest, RunOptions], Run]
    stop: Callable[[str, bool], None]  # (job, keep what there is); must not wait for the engine
    skip: Callable[[str, int], None]  # (job, batch to leave out); must not wait for the engine
    show: Callable[[PreviewChoice], None]  # for the running job; must not wait for the engine
    save: Callable[[Job, Rendered], Saved]
    save_grid: Callable[[Job, tuple[Saved, ...]], Saved | None]  # after the last of several
    keep_folder: Callable[[str], Path]  # where a job's trajectory is kept
    inputs: Path  # the folder of the pictures that requests begin with
    kept_steps: Callable[[Path, int], int]  # of a batch in there, that a run can go on after
    tidy: Callable[[], object]  # after each job: sweep what is kept; its errors fail no job
    preview: Callable[[Path, Look], Picture | None]  # re-made from what the folder keeps; or None


class Work:
    """A job from its claim to its outcome. One thread performs it; any may `ask`."""

    def __init__(self, job: Job, store: Store, log: Log, workshop: Workshop) -> None:
        self.job = job
        self._store = store
        self._log = log
        self._workshop = workshop
        self._lock = threading.Lock()
        self._wish: Wish = "none"
        self._skip: int | None = None  # the batch to leave out
        self._saved = {saved.image: saved for saved in job.pictures}
        self._skipped = set(job.skipped)  # images
        self._steps: dict[int, int] = {}  # batch -> its last finished step
        self.meter = Meter(job.request, _expected(job.request, store), time.monotonic)

    @property
    def asked(self) -> bool:
        """Whether it is to end before its time."""
        return self._wish != "none"

    @property
    def unwanted(self) -> bool:
        """Whether somebody has asked for that, rather than the server."""
        return self._wish in ("stop", "cancel")

    def ask(self, wish: Wish) -> None:
        """Stop, cancel or interrupt; asking again, or for less than before, does nothing.

        The engine may not know the job yet, or just be dead: the wish is kept, and is repeated
        when the job's first event shows that the engine has it.
        """
        with self._lock:
            if _RANK[wish] <= _RANK[self._wish]:
                return
            self._wish = wish
        self._tell_wish()

    def skip(self, batch: int | None) -> None:
        """Leaves out what is not finished of the batch in hand; of one that is over, nothing.

        Raises InvalidRequest for one that has not begun.
        """
        now = self._whole_batches()
        if batch is not None and batch > now:
            raise InvalidRequest("batch", f"{batch} has not begun; the one in hand is {now}")
        if batch is None or batch == now:
            self._skip = now
            self._tell_skip()

    def perform(self) -> tuple[Ending, Failure | None]:
        """Never raises: whatever happens in here, an extension's SystemExit too, ends this job."""
        try:
            if self.job.attempts == 1:
                request = self.job.request
                self._log.append(self.job.id, Started(request.batches, sum(request.turns)))
            outcome, error = self._attempts()
            if outcome in ("done", "stopped") and self._wish != "cancel":
                outcome = self._complete(outcome)
        except BaseException as raised:
            outcome, error = "failed", failure(raised)
        if self._wish == "cancel":
            return "cancelled", None
        if self._wish == "interrupt" and outcome == "cancelled":
            return "interrupted", CLOSED
        return outcome, error

    @property
    def _discarding(self) -> bool:
        return _RANK[self._wish] >= _RANK["cancel"]

    def _attempts(self) -> tuple[Ending, Failure | None]:
        if self.asked:
            return self._given_up(), None
        again = self.job.attempts > 1
        while (batch := self._whole_batches()) < self.job.request.batches:
            if again:
                self._go_on(batch)
            try:
                return self._begin(batch)
            except EngineDied as death:
                if self._discarding:
                    return "cancelled", None
                if self._whole_batches() == self.job.request.batches:
                    break
                if not isinstance(death, EngineRestarted):  # which is no fault of the job's
                    crashes = self._store.count_crash(self.job.id)
                    if crashes >= MOST_CRASHES:
                        return "interrupted", _crashed(crashes, death)
            again = True
            self._store.count_attempt(self.job.id)
        return "done", None

    def _begin(self, batch: int) -> tuple[Ending, Failure | None]:
        """Tries again while no engine comes up; that is no fault of the job's."""
        error = None
        for _ in range(_STARTS):
            try:
                return self._follow(first_batch=batch), None
            except EngineNotStarted as unstarted:
                error = failure(unstarted)
                if self.asked:
                    return self._given_up(), None
        return "queued", error

    def _given_up(self) -> Outcome:
        """Asked to end while no engine works on it."""
        return "stopped" if self._saved and not self._discarding else "cancelled"

    def _go_on(self, batch: int) -> None:
        kept = self._workshop.kept_steps(self._workshop.keep_folder(self.job.id), batch)
        step = max(kept, self._steps.get(batch, 0))
        self.meter.goes_on(batch, step)
        self._log.append(self.job.id, Resumed(batch, step))

    def _follow(self, first_batch: int) -> Outcome:
        """Runs the engine from a batch on. Raises what the engine or the saving raises."""
        keep_folder, choice = self._workshop.keep_folder, self._store.previews()
        resume = self.job.request.resume
        options = RunOptions(
            keep=str(keep_folder(self.job.id)),
            resume=str(keep_folder(resume.job)) if resume else None,
            inputs=str(self._workshop.inputs),
            first_batch=first_batch,
            **asdict(choice),
        )
        with closing(self._workshop.run(self.job.id, self.job.request, options)) as events:
            told = False
            while not self._discarding:
                try:
                    event = next(events)
                except StopIteration as end:
                    return _outcome(end.value)
                if not told:
                    self._catch_up(choice)
                    told = True
                if not self._discarding:
                    self._take(event)
        return "cancelled"

    def _catch_up(self, choice: PreviewChoice) -> None:
        """Tells the engine what was asked for before it knew this job."""
        if self.asked:
            self._tell_wish()
        self._tell_skip()
        now = self._store.previews()
        if now != choice:
            with suppress(DarkroomError):  # if it died, the events say so
                self._workshop.show(now)

    def _tell_wish(self) -> None:
        with suppress(DarkroomError):  # if it died, the events say so
            self._workshop.stop(self.job.id, self._wish == "stop")

    def _tell_skip(self) -> None:
        if self._skip is not None:
            with suppress(DarkroomError):  # as above
                self._workshop.skip(self.job.id, self._skip)

    def _take(self, event: EngineEvent) -> None:
        self.meter.saw(event)
        if isinstance(event, Rendered):
            if event.image not in self._saved:  # a resumed batch renders all its images again
                self._keep(self._workshop.save(self.job, event))
            return
        if isinstance(event, Step):
            before = sum(self.job.request.turns[: event.turn])
            self._steps[event.batch] = before + event.step
        if isinstance(event, Skipped):
            self._leave_out(event.batch)
        try:
            self._log.append(self.job.id, event)
        except ValueError as error:
            if not isinstance(event, Preview):
                raise
            self._log.append(self.job.id, Warned(f"a preview cannot be shown: {error}"))

    def _keep(self, saved: Saved) -> None:
        self._store.add_picture(self.job.id, saved)
        self._saved[saved.image] = saved
        self._log.append(self.job.id, saved)

    def _leave_out(self, batch: int) -> None:
        size, images = self.job.request.batch_size, self.job.request.images
        all_of_it = range(batch * size, min(images, (batch + 1) * size))
        self._skipped |= set(all_of_it) - self._saved.keys()
        self._store.skip(self.job.id, self._skipped)

    def _complete(self, outcome: Outcome) -> Outcome:
        """The grid of several pictures. Raises EngineFailed if "done" is not true."""
        images = range(self.job.request.images)
        missing = [each for each in images if each not in self._saved.keys() | self._skipped]
        if outcome == "done" and missing:
            raise EngineFailed(f"the engine ended without having sent picture {missing[0] + 1}")
        if not self._saved:
            return "cancelled" if self._skipped else outcome  # every picture was skipped
        if len(self._saved) > 1 and -1 not in self._saved:
            grid = self._workshop.save_grid(self.job, tuple(self._saved.values()))
            if grid is not None:
                self._keep(grid)
        return outcome

    def _whole_batches(self) -> int:
        """How many of the first batches are over: their pictures saved, or left out."""
        return whole_batches(self.job.request, self._saved.keys() | self._skipped)


def _expected(request: GenerationRequest, store: Store) -> Speed | None:
    try:
        return speed.judged(speed.key(request), store.speeds())
    except DarkroomError:  # a job is claimed already, and an estimate is not worth it
        return None


def _crashed(crashes: int, last: EngineDied) -> Failure:
    return Failure(
        "EngineDied",
        f"this job has taken the engine or the server down {crashes} times and is not run again "
        f"unasked; the last time: {last}",
    )


def _outcome(returned: object) -> Outcome:
    for outcome in get_args(Outcome):
        if returned == outcome:
            return outcome  # type: ignore[no-any-return]
    raise EngineFailed(f"the engine ended a run with {returned!r}")

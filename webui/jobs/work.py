"""One job carried out: its events followed, its pictures saved, its engine's death survived once.

Knows neither the engine nor the disk: both are functions in a `Workshop`. Knows no other job.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from webui.errors import DarkroomError, EngineDied, EngineFailed, Failure, failure
from webui.events import (
    EngineEvent,
    Outcome,
    Picture,
    Preview,
    Rendered,
    Resumed,
    Saved,
    Started,
    Step,
    Warned,
)
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.request import GenerationRequest
from webui.wire import RunOptions

Wish = Literal["none", "stop", "cancel", "interrupt"]  # each one outranks those before it
_RANK: dict[str, int] = {wish: rank for rank, wish in enumerate(get_args(Wish))}
CLOSED = Failure("EngineDied", "the server was closed while this job ran")

Run = Generator[EngineEvent, None, str]  # returns "done", "stopped" or "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What the line is given to work with; functions, so that tests bring three-line ones."""

    run: Callable[[str, GenerationRequest, RunOptions], Run]
    stop: Callable[[str, bool], None]  # (job, keep what there is); must not wait for the engine
    show: Callable[[PreviewChoice], None]  # for the running job; must not wait for the engine
    save: Callable[[Job, Rendered], Saved]
    save_grid: Callable[[Job, tuple[Saved, ...]], Saved | None]  # after the last of several
    keep_folder: Callable[[str], Path]  # where a job's trajectory is kept
    tidy: Callable[[], object]  # after each job: sweep what is kept; its errors fail no job
    preview: Callable[[Path, int, int, str, str], Picture | None]  # folder, batch, step, kind,
    # method: re-made from what was kept there; None if that was not kept


class Work:
    """A job from its claim to its outcome. One thread performs it; any may `ask`."""

    def __init__(self, job: Job, store: Store, log: Log, workshop: Workshop) -> None:
        self.job = job
        self._store = store
        self._log = log
        self._workshop = workshop
        self._lock = threading.Lock()
        self._wish: Wish = "none"
        self._saved: dict[int, Saved] = {}  # by image
        self._steps: dict[int, int] = {}  # batch -> its last finished step

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

    def perform(self) -> tuple[Outcome, Failure | None]:
        """Never raises: whatever happens in here, an extension's SystemExit too, ends this job."""
        self._log.append(self.job.id, Started(self.job.request.batches, self.job.request.steps))
        try:
            outcome, error = self._attempts()
            if outcome in ("done", "stopped") and self._wish != "cancel":
                self._complete(outcome)
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

    def _attempts(self) -> tuple[Outcome, Failure | None]:
        if self._wish != "none":
            return "cancelled", None  # asked before anything was there to keep
        try:
            return self._follow(first_batch=0), None
        except EngineDied:
            batch = self._whole_batches()
            if batch == self.job.request.batches:
                return "done", None
            if self._discarding:
                return "cancelled", None
        self._store.count_attempt(self.job.id)
        self._log.append(self.job.id, Resumed(batch, self._steps.get(batch, 0)))
        try:
            return self._follow(first_batch=batch), None
        except EngineDied as again:
            return "interrupted", Failure(
                "EngineDied", f"the engine died twice in this job, the second time so: {again}"
            )

    def _follow(self, first_batch: int) -> Outcome:
        """Runs the engine from a batch on. Raises what the engine or the saving raises."""
        folder, choice = self._workshop.keep_folder(self.job.id), self._store.previews()
        options = RunOptions(
            keep=str(folder),
            first_batch=first_batch,
            noisy=choice.noisy,
            predicted=choice.predicted,
            every=choice.every,
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
        if self._wish != "none":
            self._tell_wish()
        now = self._store.previews()
        if now != choice:
            with suppress(DarkroomError):  # if it died, the events say so
                self._workshop.show(now)

    def _tell_wish(self) -> None:
        with suppress(DarkroomError):  # if it died, the events say so
            self._workshop.stop(self.job.id, self._wish == "stop")

    def _take(self, event: EngineEvent) -> None:
        if isinstance(event, Rendered):
            if event.image not in self._saved:  # a resumed batch renders all its images again
                self._keep(self._workshop.save(self.job, event))
            return
        if isinstance(event, Step):
            self._steps[event.batch] = event.step
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

    def _complete(self, outcome: Outcome) -> None:
        """The grid of several pictures. Raises EngineFailed if "done" is not true."""
        missing = [image for image in range(self.job.request.images) if image not in self._saved]
        if outcome == "done" and missing:
            raise EngineFailed(f"the engine ended without having sent picture {missing[0] + 1}")
        if len(self._saved) > 1:
            grid = self._workshop.save_grid(self.job, tuple(self._saved.values()))
            if grid is not None:
                self._keep(grid)

    def _whole_batches(self) -> int:
        """How many of the first batches are saved whole."""
        images, size = self.job.request.images, self.job.request.batch_size
        unsaved = (image for image in range(images) if image not in self._saved)
        first = next(unsaved, None)
        return self.job.request.batches if first is None else first // size


def _outcome(returned: object) -> Outcome:
    for outcome in get_args(Outcome):
        if returned == outcome:
            return outcome  # type: ignore[no-any-return]
    raise EngineFailed(f"the engine ended a run with {returned!r}")

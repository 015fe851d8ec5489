"""The queue between the many callers (tabs, API) and the one engine.

Knows neither torch, gradio nor fastapi: it is given a store, a log, and functions that turn a
request into events and pictures into files. Jobs run one at a time, in the order of acceptance.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from webui.errors import DarkroomError, Failure, InvalidRequest, JobNotFound, NotSaved
from webui.events import Event, Finished, Outcome, Queued, Started, Warned
from webui.jobs.job import Frame, Job, PreviewChoice
from webui.jobs.log import Log, encode
from webui.jobs.store import Store
from webui.jobs.work import CLOSED, Wish, Work, Workshop
from webui.request import GenerationRequest

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_-]{0,64}", re.ASCII)
_SERVER_DIED = Failure("EngineDied", "the server ended while this job ran; generate again")
_logger = logging.getLogger(__name__)


class JobLine:
    """Any thread may call. The store and the log are the caller's to close after `close`."""

    def __init__(
        self,
        store: Store,
        log: Log,
        workshop: Workshop,
        *,
        max_waiting: int = 10_000,
        clock: Callable[[], float] = time.time,
        patience: float = 8.0,
        retry: float = 1.0,
        notices: Sequence[str] = (),
    ) -> None:
        """In seconds: `clock` since 1970, `patience` for the running job at close, `retry` between
        two tries to write to a disk that is full. `notices`: what else there is to tell."""
        self._store = store
        self._log = log
        self._workshop = workshop
        self._max_waiting = max_waiting
        self._clock = clock
        self._patience = patience
        self._retry = retry
        self._changed = threading.Condition(threading.RLock())
        self._work: Work | None = None  # the running job's
        self._closing = False
        self._notices = [*store.notices, *notices]
        store.interrupt_running(clock(), _SERVER_DIED)
        for ahead, job_id in enumerate(store.queued()):
            log.append(job_id, Queued(ahead))
        self._thread = threading.Thread(target=self._serve, name="job line", daemon=True)
        self._thread.start()

    @property
    def notices(self) -> Sequence[str]:
        """What the person who runs the server should know: a damaged store, a full disk."""
        return tuple(self._notices)

    # --- asking -----------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest, *, id: str | None = None, owner: str = "") -> Job:
        """A job at the end of the line; with an id that is known, that job, whatever its state.

        Raises InvalidRequest for a malformed id or one that belongs to another request, LineFull,
        NotSaved if it cannot be stored.
        """
        if id is not None and not _ID.fullmatch(id):
            raise InvalidRequest("id", "must be 8 to 64 letters, digits, '-' or '_'")
        if not _OWNER.fullmatch(owner):
            raise InvalidRequest("owner", "must be at most 64 letters, digits, '-' or '_'")
        with self._changed:
            job, new = self._store.add(
                id or uuid.uuid4().hex, owner, request, self._clock(), self._max_waiting
            )
            if new:
                self._log.append(job.id, Queued(self._store.ahead(job.id)))
                self._changed.notify_all()
        return job

    def stop(self, id: str) -> Job:
        """Ends the running job with what there is; a waiting one is cancelled."""
        return self._ask(id, "stop")

    def cancel(self, id: str) -> Job:
        """Ends the running job and throws its unfinished pictures away; also a waiting one."""
        return self._ask(id, "cancel")

    def set_previews(self, choice: PreviewChoice) -> None:
        """From now on, for the running job too."""
        self._store.set_previews(choice)
        if self._work is not None:
            with suppress(DarkroomError):  # if the engine died: its next run reads the store
                self._workshop.show(choice)

    # --- looking ----------------------------------------------------------------------------------

    def job(self, id: str) -> Job:
        """Raises JobNotFound."""
        if not _ID.fullmatch(id):
            raise JobNotFound(f"no job has the id {id[:64]!r}")
        return self._store.job(id)

    def jobs(self, limit: int = 50) -> list[Job]:
        """Newest first."""
        return self._store.jobs(limit)

    def running(self) -> Job | None:
        work = self._work
        return self._store.job(work.job.id) if work else None

    def waiting(self) -> int:
        """How many jobs are queued."""
        return self._store.waiting()

    def ahead(self, id: str) -> int:
        """How many jobs run before this one."""
        return self._store.ahead(id)

    def latest(self, owner: str) -> Job | None:
        """The newest job of that owner."""
        return self._store.latest(owner) if _OWNER.fullmatch(owner) else None

    def read(self, id: str, after: int = 0) -> tuple[list[tuple[int, Event]], int]:
        """(number, event) of what happened after event number `after`; the last number.

        Of a job that ended long ago or under an earlier server only the outlines are left.
        """
        return self._log.read(id, after) or _outlines(self.job(id), after)

    def drawn(self, id: str, batch: int, step: int, kind: str, method: str) -> Frame | None:
        """A preview that is in memory, at no cost; None for any other."""
        return self._log.frame(id, batch, step, kind, method)

    def frame(self, id: str, batch: int, step: int, kind: str, method: str) -> Frame | None:
        """A preview: as drawn during the run, or made again from what the job kept; else None."""
        drawn = self.drawn(id, batch, step, kind, method)
        if drawn is not None:
            return drawn
        folder = self._workshop.keep_folder(self.job(id).id)
        picture = self._workshop.preview(folder, batch, step, kind, method)
        return encode(picture) if picture else None

    def lists(self, path: str) -> bool:
        """Whether a job saved the picture at `path`, relative to the output folder."""
        return self._store.lists(path)

    def previews(self) -> PreviewChoice:
        return self._store.previews()

    # --- working ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Within 10 s. The running job becomes interrupted; waiting ones stay in the store."""
        with self._changed:
            self._closing = True
            work = self._work
            self._changed.notify_all()
        if work is not None:
            work.ask("interrupt")
        self._thread.join(self._patience)
        if work is not None and self._thread.is_alive():
            self._end(work.job.id, "interrupted", CLOSED)

    def _ask(self, id: str, wish: Wish) -> Job:
        with self._changed:
            if self.job(id).state == "queued":
                self._end(id, "cancelled", None)
            work = self._work
        if work is not None and work.job.id == id:
            work.ask(wish)
        return self._store.job(id)

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            outcome, error = work.perform()
            self._end_surely(work.job.id, outcome, error)
            try:
                self._workshop.tidy()
            except Exception as problem:  # the next job must run all the same
                self._note(f"tidying up after jobs failed: {problem}")

    def _next(self) -> Work | None:
        """Waits for a job and claims it; None when the line closes."""
        with self._changed:
            while not self._closing:
                try:
                    job = self._store.claim(self._clock())
                except DarkroomError as error:
                    self._note(f"no job can be started: {error}")
                    self._changed.wait(self._retry)
                    continue
                if job is not None:
                    self._work = Work(job, self._store, self._log, self._workshop)
                    return self._work
                self._changed.wait()
        return None

    def _end(self, id: str, outcome: Outcome, error: Failure | None) -> None:
        """The first end of a job counts. Raises NotSaved."""
        with self._changed:
            if self._store.finish(id, outcome, self._clock(), error):
                self._log.append(id, Finished(outcome, error))
            if self._work is not None and self._work.job.id == id:
                self._work = None

    def _end_surely(self, id: str, outcome: Outcome, error: Failure | None) -> None:
        """Tries until the disk takes it: no later job could be stored either."""
        warned = False
        while True:
            try:
                return self._end(id, outcome, error)
            except NotSaved as problem:
                if not warned:  # a full disk may stay full for hours
                    self._note(f"the end of job {id} cannot be stored: {problem}")
                    self._log.append(id, Warned(f"its end cannot be stored yet: {problem}"))
                warned = True
            with self._changed:
                if self._closing:
                    return None
                self._changed.wait(self._retry)

    def _note(self, text: str) -> None:
        if text not in self._notices:
            self._notices.append(text)
            _logger.warning("%s", text)


def _outlines(job: Job, after: int) -> tuple[list[tuple[int, Event]], int]:
    """What the store alone can tell of a job that has ended."""
    events: list[Event] = []
    if job.started is not None:
        events.append(Started(job.request.batches, job.request.steps))
    events += job.pictures
    if job.state != "queued" and job.state != "running":
        events.append(Finished(job.state, job.error))
    return list(enumerate(events, 1))[max(after, 0) :], len(events)

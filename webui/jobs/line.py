"""The queue between the many callers (tabs, API) and the one engine.

Knows neither torch, gradio nor fastapi: it is given a store, a log, and functions that turn a
request into events and pictures into files. Jobs run one at a time, in the order of the line.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from webui.errors import DarkroomError, Failure, NotSaved, WrongState
from webui.events import Finished, Queued, Warned
from webui.jobs import speed
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.log import Log
from webui.jobs.order import Order
from webui.jobs.reading import Reading, outlines
from webui.jobs.states import WAITING
from webui.jobs.store import Store
from webui.jobs.work import CLOSED, MOST_CRASHES, Ending, Wish, Work, Workshop
from webui.request import GenerationRequest

_SERVER_DIED = "the server ended while this job ran; resume it, or run it again"
_logger = logging.getLogger(__name__)


class JobLine(Reading):
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
        super().__init__(store, log, workshop)
        self._clock = clock
        self._patience = patience
        self._retry = retry
        self.order = Order(store, log, self._changed, clock, max_waiting)  # of those not running
        self._closing = False
        self._notices = [*store.notices, *notices]
        self._interrupt_running()
        for job in store.begun():
            log.restore(job.id, [event for _, event in outlines(job)[0]])
        for ahead, job_id in enumerate(store.places.ids()):
            log.append(job_id, Queued(ahead))
        self._thread = threading.Thread(target=self._serve, name="job line", daemon=True)
        self._thread.start()

    # --- asking -----------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest, *, id: str | None = None, owner: str = "") -> Job:
        """As `Order.submit`."""
        return self.order.submit(request, id=id, owner=owner)

    def stop(self, id: str) -> Job:
        """Ends the running job with what there is; a waiting one is cancelled."""
        return self._ask(id, "stop")

    def cancel(self, id: str) -> Job:
        """Ends the running job and throws its unfinished pictures away; also a waiting one."""
        return self._ask(id, "cancel")

    def skip(self, id: str, batch: int | None = None) -> Job:
        """Leaves out what is not finished of the batch in hand, and goes on with the next.

        With a `batch` (0-based) only that one, so that asking twice skips once. Raises WrongState
        for a job that does not run, InvalidRequest for a batch that has not begun.
        """
        with self._changed:  # a claim and its work are one
            job, work = self.job(id), self._work
        if work is None or work.job.id != id:
            raise WrongState(f"only the running job can skip a picture; this one is {job.state}")
        work.skip(batch)
        return job

    def pause(self) -> None:
        """Nothing is begun any more, over restarts too; what runs goes on to its end."""
        with self._changed:
            if self._store.pause() is None:
                self._store.set_pause("")

    def resume(self) -> None:
        """The line goes on."""
        with self._changed:
            reason = self._store.pause()
            self._store.set_pause(None)
            self.dismiss(reason)
            self._changed.notify_all()

    def dismiss(self, text: str | None) -> None:
        """A notice was read; it comes back when it happens again. None: all of them."""
        with self._noticing:
            self._notices = [each for each in self._notices if text not in (None, each)]

    def set_previews(self, choice: PreviewChoice) -> None:
        """From now on, for the running job too."""
        self._store.set_previews(choice)
        if self._work is not None:
            with suppress(DarkroomError):  # if the engine died: its next run reads the store
                self._workshop.show(choice)

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
            self._end(work, "interrupted", CLOSED)

    def _interrupt_running(self) -> None:
        """What a server that died has left running; that it died counts against the job."""
        with self._store.database.transaction():
            for id in self._store.running():
                crashes = self._store.count_crash(id)
                text = _SERVER_DIED
                if crashes >= MOST_CRASHES:
                    text += f"; it has taken the engine or the server down {crashes} times"
                failure = Failure("EngineDied", text)
                self._store.finish(id, "interrupted", self._clock(), failure)

    def _ask(self, id: str, wish: Wish) -> Job:
        while True:
            with self._changed:  # a claim and its work are one
                if self.order.cancel(self.job(id).id):
                    return self._store.job(id)
                work = self._work
            if work is None or work.job.id != id:
                return self._store.job(id)
            work.ask(wish)
            with self._changed:  # it may have been put back into the line just before
                if self._work is work or self._store.job(id).state not in WAITING:
                    return self._store.job(id)

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            outcome, error = work.perform()
            self._end_surely(work, outcome, error)
            try:
                if measured := work.meter.measured():
                    self._store.learn(speed.key(work.job.request), measured)
                self._workshop.tidy()
            except Exception as problem:  # the next job must run all the same
                self._note(f"tidying up after jobs failed: {problem}")

    def _next(self) -> Work | None:
        """Waits for a job and claims it; None when the line closes."""
        with self._changed:
            while not self._closing:
                try:
                    paused = self._store.pause() is not None
                    job = None if paused else self._store.claim(self._clock())
                except Exception as error:  # whatever it is, this is the one thread that runs jobs
                    self._note(f"no job can be started: {str(error) or type(error).__name__}")
                    self._changed.wait(self._retry)
                    continue
                if job is not None:
                    self._work = Work(job, self._store, self._log, self._workshop)
                    return self._work
                self._changed.wait()
        return None

    def _end(self, work: Work, outcome: Ending, error: Failure | None) -> None:
        """The first end of a job counts. Raises NotSaved."""
        id = work.job.id
        with self._changed:
            if outcome == "queued" and work.unwanted:
                outcome, error = "cancelled", None
            if outcome == "queued":
                self._put_back(id, error)
            elif self._store.finish(id, outcome, self._clock(), error):
                self._log.append(id, Finished(outcome, error))
            if self._work is work:
                self._work = None

    def _put_back(self, id: str, error: Failure | None) -> None:
        """No engine can be started: the line stands still, instead of failing job after job."""
        reason = f"the line is paused: the engine cannot be started: {error.text if error else ''}"
        with self._store.database.transaction():
            self._store.put_back(id)
            self._store.set_pause(reason)
        self._note(reason)
        self._log.append(id, Queued(self._store.places.ahead(id)))

    def _end_surely(self, work: Work, outcome: Ending, error: Failure | None) -> None:
        """Tries until the disk takes it: no later job could be stored either."""
        id, warned = work.job.id, False
        while True:
            try:
                return self._end(work, outcome, error)
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
        with self._noticing:
            if text in self._notices:
                return
            self._notices.append(text)
        _logger.warning("%s", text)

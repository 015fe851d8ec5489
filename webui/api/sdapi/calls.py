"""Calls of A1111's API as jobs of the line: asked for, waited for, found again.

A1111 answers when the pictures are there. Who waits here is a coroutine, woken by the job's end:
no thread, however many wait.
"""

import asyncio
import base64
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from webui.errors import DarkroomError, EngineBusy, EngineDied, JobNotFound, WrongState, error_of
from webui.events import Finished, Look
from webui.jobs.job import Job
from webui.jobs.line import JobLine
from webui.jobs.states import ACTIVE
from webui.services import Services
from webui.submitting import submit_all

OWNER = "sdapi"  # of jobs that came by this API
_TASKS = 1000  # names that clients gave
_MOST_NAME = 200  # characters of one
_ALL = 2**30  # events
_GLANCE = 10.0  # seconds between looks at whether the line goes at all


class Calls:
    """Any thread may call; `end` is awaited."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._tasks: OrderedDict[str, str] = OrderedDict()  # a client's name -> first job
        self._calls: OrderedDict[str, tuple[str, ...]] = OrderedDict()  # each job of several
        self._stopped: OrderedDict[str, None] = OrderedDict()  # jobs that were interrupted
        self._endings = Endings(services.line)

    def submit(
        self, values: Mapping[str, Any], task: str | None = None, *, keep: bool = True
    ) -> tuple[Job, ...]:
        """At the end of the line; several where an extension makes them of one call. Without
        `keep` their pictures go when the call has them. Raises what `submit_all` raises."""
        jobs = submit_all(self._services, values, owner=OWNER)
        ids = tuple(each.id for each in jobs)
        if not keep:
            self._services.taken.add(ids)
        with self._lock:
            if len(ids) > 1:
                self._calls |= dict.fromkeys(ids, ids)
            while len(self._calls) > _TASKS:
                self._calls.popitem(last=False)
            ended = not self._stopped.keys().isdisjoint(ids)
        if task:
            self.name(task, ids[0])
        if ended:  # the first ran, and was interrupted, before the last was in the line
            self._stop(ids)
        return jobs

    def name(self, task: str, job_id: str) -> None:
        """The client's own name (`force_task_id`) of a job, the newest of that name."""
        with self._lock:
            self._tasks[task[:_MOST_NAME]] = job_id
            self._tasks.move_to_end(task[:_MOST_NAME])
            while len(self._tasks) > _TASKS:
                self._tasks.popitem(last=False)

    def task_of(self, job_id: str) -> str | None:
        with self._lock:
            return next((task for task, job in self._tasks.items() if job == job_id), None)

    def find(self, name: str) -> Job | None:
        """By a job's id, or a client's name of it; None if it is neither. A name of several jobs
        is that of the first which has not ended, and at the end of the last."""
        with self._lock:
            named = self._tasks.get(name[:_MOST_NAME])
            ids = self._calls.get(named, (named,)) if named else (name,)
        found = None
        for id in ids:
            try:
                found = self._services.line.job(id)
            except JobNotFound:
                continue
            if found.state in ACTIVE:
                break
        return found

    def running(self) -> Job | None:
        """The running job, if it came by this API."""
        job = self._services.line.running()
        return job if job is not None and job.owner == OWNER else None

    def interrupt(self, job: Job) -> None:
        """Ends its call with the pictures that there are; what waits of it is cancelled."""
        if job.owner != OWNER or job.state not in ACTIVE:
            return
        with self._lock:
            self._stopped[job.id] = None
            ids = self._calls.get(job.id, (job.id,))
        self._stop(ids)

    def _stop(self, ids: Sequence[str]) -> None:
        """The jobs of a call; the running one last, lest the next begin."""
        for id in reversed(ids):
            with self._lock:
                self._stopped[id] = None
                while len(self._stopped) > _TASKS:
                    self._stopped.popitem(last=False)
            with suppress(WrongState, JobNotFound):  # it has just ended
                self._services.line.stop(id)

    def skip(self, job: Job) -> None:
        """Leaves out what is not finished of the batch in hand, if it runs."""
        if job.owner == OWNER and job.state == "running":
            with suppress(WrongState):  # it has just ended
                self._services.line.skip(job.id)

    def interrupted(self, job_id: str) -> bool:
        with self._lock:
            return job_id in self._stopped

    def frame(self, job: Job) -> tuple[str, str] | None:
        """(media type, base64) of its newest preview, if one is in memory."""
        line = self._services.line
        preview = line.newest_preview(job.id)
        if preview is None:
            return None
        look = Look(preview.batch, preview.step, preview.kind, preview.method, turn=preview.turn)
        frame = line.drawn(job.id, look)
        return (frame.media_type, base64.b64encode(frame.data).decode()) if frame else None

    async def ends(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of one call, as `end`; when one fails the others are given up."""
        ended = []
        for number, id in enumerate(job_ids):
            try:
                ended.append(await self.end(id))
            except DarkroomError:
                self._services.taken.discard(job_ids)  # nobody takes what there is of them
                for other in job_ids[number + 1 :]:
                    with suppress(WrongState, JobNotFound):
                        await asyncio.to_thread(self._services.line.cancel, other)
                raise
        return ended

    async def end(self, job_id: str) -> Job:
        """The job when it is over, with pictures unless every one was skipped. Raises what it
        failed with, WrongState if it was cancelled, EngineDied if server or engine ended."""
        job = await self._endings.end(job_id)
        if job.state in ("done", "stopped"):
            return job
        if job.state == "cancelled" and (job.skipped or self.interrupted(job_id)):
            return job
        if job.state == "cancelled":
            raise WrongState("the job was cancelled before it had a picture")
        raise _why(job)


def _why(job: Job) -> DarkroomError:
    if job.error is not None:
        return error_of(job.error)
    return EngineDied(f"the server ends; the job {job.id} is {job.state}")


class Endings:
    """Wakes each coroutine that waits for a job when it has ended, by one look for all."""

    def __init__(self, line: JobLine) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self._seen = line.read_all(2**62, 0)[1]
        line.watch(self._look)

    async def end(self, job_id: str) -> Job:
        """The job once it does not wait or run any more, or the server is about to end."""
        woken = asyncio.Event()
        mine = (asyncio.get_running_loop(), woken)
        with self._lock:
            self._waiting.setdefault(job_id, []).append(mine)
        try:
            while True:
                job = await asyncio.to_thread(self._line.job, job_id)
                if job.state not in ACTIVE or self._line.hung_up:
                    return job
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), _GLANCE)
                woken.clear()
                await asyncio.to_thread(self._check_line)
        finally:
            with self._lock:
                self._waiting[job_id].remove(mine)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]

    def _check_line(self) -> None:
        """Raises EngineBusy while the line stands still because it had to."""
        if self._line.paused() and (reason := self._line.overview(limit=1).pause):
            raise EngineBusy(f"the job waits, but {reason}")

    def _look(self) -> None:
        """After each event of the line, by whoever appended it."""
        with self._lock:
            entries, self._seen = self._line.read_all(self._seen, _ALL)
            if self._line.hung_up:
                jobs = set(self._waiting)
            else:
                jobs = {each.job_id for each in entries if isinstance(each.event, Finished)}
            for job_id in jobs & self._waiting.keys():
                for loop, woken in self._waiting[job_id]:
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(woken.set)

"""What can be done with jobs that do not run: order, hold, edit, try again, take off the list.

Knows neither the engine nor the thread that runs jobs: it shares their lock, and wakes them.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import fields

from webui.errors import InvalidRequest, WrongState
from webui.events import Edited, Finished, Held, Queued
from webui.jobs.job import Job
from webui.jobs.log import Log
from webui.jobs.places import Side
from webui.jobs.reading import ID, OWNER, outlines
from webui.jobs.states import ENDED, WAITING
from webui.jobs.store import Store
from webui.request import GenerationRequest


class Order:
    """Any thread may call. All raise JobNotFound, and NotSaved if the disk does not take it."""

    def __init__(
        self,
        store: Store,
        log: Log,
        changed: threading.Condition,
        clock: Callable[[], float],
        max_waiting: int,
    ) -> None:
        """`changed` guards the line and tells its thread to look again."""
        self._store = store
        self._log = log
        self._changed = changed
        self._clock = clock
        self._max_waiting = max_waiting

    def submit(
        self,
        request: GenerationRequest,
        *,
        id: str | None = None,
        owner: str = "",
        retry_of: str | None = None,
    ) -> Job:
        """A job at the end of the line; with an id that is known, that job, whatever its state.

        Raises InvalidRequest for a malformed id or one that belongs to another request, LineFull.
        """
        if id is not None and not ID.fullmatch(id):
            raise InvalidRequest("id", "must be 8 to 64 letters, digits, '-' or '_'")
        if not OWNER.fullmatch(owner):
            raise InvalidRequest("owner", "must be at most 64 letters, digits, '-' or '_'")
        with self._changed:
            job, new = self._store.add(
                id or uuid.uuid4().hex, owner, request, self._clock(), self._max_waiting, retry_of
            )
            if new:
                self._queued(job.id)
        return job

    def retry(self, id: str, *, new_id: str | None = None, owner: str | None = None) -> Job:
        """The request of an ended job as a new one that says what it retries.

        Asked again without an id while that one has not ended, it is that one. Raises WrongState,
        and what `submit` raises.
        """
        with self._changed:
            old = self._store.job(id)
            if old.state not in ENDED:
                raise WrongState(f"only an ended job can be tried again; this one is {old.state}")
            known = None if new_id else self._store.retry_of(id)
            owner = old.owner if owner is None else owner
            return known or self.submit(old.request, id=new_id, owner=owner, retry_of=id)

    def move(self, id: str, side: Side, other: str | None = None) -> Job:
        """To the front or the back of the line, or before or after another waiting job.

        Raises WrongState if one of the two does not wait (any more).
        """
        with self._changed:
            self._store.job(id)
            self._store.places.move(id, side, other)
            return self._store.job(id)

    def edit(self, id: str, request: GenerationRequest, instead_of: GenerationRequest) -> bool:
        """Another request for a waiting job; False if it has another than `instead_of` by now.

        Raises WrongState if it does not wait (any more).
        """
        with self._changed:
            if not self._store.edit(id, request, instead_of):
                return False
            names = [each.name for each in fields(GenerationRequest)]
            other = [n for n in names if getattr(request, n) != getattr(instead_of, n)]
            if other:
                self._log.append(id, Edited(tuple(other)))
            return True

    def hold(self, id: str) -> Job:
        """Holds a waiting job back; it keeps its place. Raises WrongState."""
        with self._changed:
            if self._store.hold(id):
                self._log.append(id, Held())
            return self._in(id, "paused", "only a waiting job can be held back")

    def resume(self, id: str) -> Job:
        """Lets a held back job go; an interrupted one goes on after the last kept step, in its
        old place in the line, which is before all that were behind it. Raises WrongState."""
        with self._changed:
            job = self._store.job(id)
            if job.state == "interrupted" and self._store.resume(id):
                self._log.restore(id, [event for _, event in outlines(job)[0]])
                self._queued(id)
            elif self._store.release(id):
                self._queued(id)
            elif job.state == "running":  # asked twice, and begun meanwhile
                return job
            return self._in(id, "queued", "only a held back or interrupted job can be resumed")

    def drop(self, id: str) -> Job:
        """Takes an ended job off the list; its pictures stay. Raises WrongState."""
        self._store.drop(id)
        return self._store.job(id)

    def clear(self) -> int:
        """Cancels all that wait; how many that were."""
        with self._changed:
            with self._store.database.transaction():
                waiting = self._store.places.ids()
                for id in waiting:
                    self._store.finish(id, "cancelled", self._clock())
            for id in waiting:
                self._log.append(id, Finished("cancelled"))
            return len(waiting)

    def cancel(self, id: str) -> bool:
        """Ends a waiting job; False if it does not wait."""
        with self._changed:
            waits = self._store.job(id).state in WAITING
            if waits and self._store.finish(id, "cancelled", self._clock()):
                self._log.append(id, Finished("cancelled"))
            return waits

    def _queued(self, id: str) -> None:
        self._log.append(id, Queued(self._store.places.ahead(id)))
        self._changed.notify_all()

    def _in(self, id: str, state: str, otherwise: str) -> Job:
        job = self._store.job(id)
        if job.state != state:
            raise WrongState(f"{otherwise}; this one is {job.state}")
        return job

"""The line as it can be looked at; nothing in here changes anything."""

import re
import threading
from collections.abc import Callable
from typing import cast, get_args

from webui.errors import JobNotFound
from webui.events import Event, Finished, Look, Outcome, Picture, Preview, Started
from webui.jobs import overview as overviews
from webui.jobs.job import Frame, Job, PreviewChoice, whole_batches
from webui.jobs.log import Entry, Log, encode
from webui.jobs.overview import Overview
from webui.jobs.redrawn import Redrawn
from webui.jobs.states import State
from webui.jobs.store import Store
from webui.jobs.work import Work, Workshop

ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
OWNER = re.compile(r"[A-Za-z0-9_-]{0,64}", re.ASCII)


class Reading:
    """Any thread may call."""

    def __init__(self, store: Store, log: Log, workshop: Workshop) -> None:
        self._store = store
        self._log = log
        self._workshop = workshop
        self._changed = threading.Condition(threading.RLock())
        # the running job's; with `_changed` held, a job waits, is this one's, or has ended
        self._work: Work | None = None
        self._notices: list[str] = []
        self._noticing = threading.Lock()
        self._redrawn = Redrawn()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the person who runs the server should know: a damaged store, a full disk."""
        return tuple(self._notices)

    def job(self, id: str) -> Job:
        """Raises JobNotFound."""
        if not ID.fullmatch(id):
            raise JobNotFound(f"no job has the id {id[:64]!r}")
        return self._store.job(id)

    def jobs(
        self, limit: int = 50, states: tuple[State, ...] = (), older: str | None = None
    ) -> list[Job]:
        """Newest first, without those dropped; in all states unless some are named, and only
        those accepted before `older`, if that is given."""
        return self._store.jobs(limit, states, older)

    def running(self) -> Job | None:
        found = self._store.running()
        return self._store.job(found[0]) if found else None

    def waiting(self) -> int:
        """How many jobs wait, held back ones included."""
        return self._store.places.waiting()

    def ahead(self, id: str) -> int:
        """How many jobs run before this one."""
        return self._store.places.ahead(id)

    def paused(self) -> bool:
        """Whether the line stands still."""
        return self._store.pause() is not None

    def overview(self, cursor: str | None = None, limit: int = 50) -> Overview:
        """A page of the waiting, from `cursor` on. Raises InvalidRequest for a wrong one."""
        with self._changed:
            return overviews.overview(self._store, self._work, cursor, limit)

    def wait(self, id: str) -> float | None:
        """Seconds before a queued job begins; None where that is not known."""
        with self._changed:
            return overviews.wait(self._store, self._work, id)

    def interrupted(self) -> int:
        """How many jobs were interrupted, and neither resumed nor dropped since."""
        return self._store.database.number(
            "SELECT count(*) FROM jobs WHERE state = 'interrupted' AND dropped = 0"
        )

    def goes_on(self, id: str) -> tuple[int, int]:
        """(batch, step) that an interrupted job has kept: resumed, it goes on after them."""
        job = self.job(id)
        over = {saved.image for saved in job.pictures} | set(job.skipped)
        batch = whole_batches(job.request, over)
        return batch, self._workshop.kept_steps(self._workshop.keep_folder(id), batch)

    def latest(self, owner: str) -> Job | None:
        """The newest job of that owner."""
        return self._store.latest(owner) if OWNER.fullmatch(owner) else None

    def read(self, id: str, after: int = 0) -> tuple[list[tuple[int, Event]], int]:
        """(number, event) of what happened after event number `after`; the last number.

        Of a job that ended long ago or under an earlier server only the outlines are left.
        """
        return self._log.read(id, after) or outlines(self.job(id), after)

    def read_logged(
        self, id: str, after: int, most: int
    ) -> tuple[list[tuple[int, Event]], int] | None:
        """As `read`, from memory alone and at once, the first `most`; None for what is not
        there."""
        return self._log.read(id, after, most)

    def read_all(self, after: int, most: int) -> tuple[list[Entry], int]:
        """What happened in all jobs after event number `after` of this server, as far as it is
        remembered, the first `most` of it; the last number."""
        return self._log.read_all(after, most)

    def hang_up(self) -> None:
        """Tells all who watch that nothing more comes: the server is about to end."""
        self._log.close()

    @property
    def hung_up(self) -> bool:
        return self._log.closed

    def newest_preview(self, id: str) -> Preview | None:
        """Of a running job; without its pixels, which `drawn` has."""
        return self._log.newest(id)

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Calls `watcher()` after each event, which must not wait; returns what ends it."""
        return self._log.watch(watcher)

    def drawn(self, id: str, look: Look) -> Frame | None:
        """A preview that is in memory, at no cost; None for any other."""
        return self._log.frame(id, look) if look.position is None else None

    def frame(self, id: str, look: Look) -> Frame | None:
        """A preview: as drawn during the run, or made again from what the job kept; else None."""
        drawn = self.drawn(id, look)
        if drawn is not None:
            return drawn
        picture = self.picture(id, look)
        return encode(picture) if picture else None

    def picture(self, id: str, look: Look) -> Picture | None:
        """A kept step drawn again; None if it is not kept. Waits for the engine, which draws it
        between two steps of what it runs."""
        folder = self._workshop.keep_folder(self.job(id).id)
        return self._redrawn.get((folder, look), lambda: self._workshop.preview(folder, look))

    def lists(self, path: str) -> bool:
        """Whether a job saved the picture at `path`, relative to the output folder."""
        return self._store.lists(path)

    def previews(self) -> PreviewChoice:
        return self._store.previews()


def outlines(job: Job, after: int = 0) -> tuple[list[tuple[int, Event]], int]:
    """What the store alone can tell of a job that has ended."""
    events: list[Event] = []
    if job.started is not None:
        events.append(Started(job.request.batches, sum(job.request.turns)))
    events += job.pictures
    if job.state in get_args(Outcome):
        events.append(Finished(cast(Outcome, job.state), job.error))
    return list(enumerate(events, 1))[max(after, 0) :], len(events)

"""The line as people look at it: what runs, who waits where, and how long it will all take."""

from dataclasses import dataclass
from math import isfinite

from webui.errors import InvalidRequest
from webui.jobs import speed
from webui.jobs.job import Job, Progress
from webui.jobs.store import Store
from webui.jobs.work import Work


@dataclass(frozen=True, slots=True)
class Waiting:
    job: Job
    position: int  # among the waiting, from 1
    takes: float | None  # seconds that it will run; None if no such run was measured
    wait: float | None  # seconds before it begins; None also while it, or the line, is held back


@dataclass(frozen=True, slots=True)
class Overview:
    """One moment of the line, and one page of the waiting."""

    pause: str | None  # why the line stands still, "" if somebody wanted it; None while it goes
    running: Job | None
    progress: Progress | None  # of the running one
    total: int  # jobs that wait
    ends: float | None  # seconds until all that may run have; None if that is not known
    waiting: tuple[Waiting, ...]
    cursor: str | None  # where the next page begins; None after the last


def overview(store: Store, work: Work | None, cursor: str | None, limit: int) -> Overview:
    """Raises InvalidRequest for a cursor that is none of ours."""
    after = None if cursor is None else _rank(cursor)
    with store.database.lock:  # one moment
        places, total = store.places.page(after, limit + 1), store.places.waiting()
        pause = store.pause()
        more, places = len(places) > limit, places[:limit]
        known = dict(store.speeds())
        if work and (measured := work.meter.measured()):
            known.setdefault(speed.key(work.job.request), measured)
        first = places[0].rank if places else 0.0
        before, position = store.places.work_before(first), store.places.position(first)
        all_work = store.places.work_before(float("inf"))
        jobs = store.each([each.id for each in places])
        running = store.job(work.job.id) if work else None
    progress = work.meter.progress() if work else None
    left = progress.left if progress else 0.0
    begins = _sum(left, speed.together(before, known))
    ends = _sum(left, speed.together(all_work, known)) if pause is None else left
    waiting = []
    for place in places:
        position += 1
        takes = speed.together([(place.pace, place.steps, place.images)], known)
        job = jobs.get(place.id)
        if job is not None:
            goes = job.state == "queued" and pause is None
            waiting.append(Waiting(job, position, takes, begins if goes else None))
        if job is None or job.state == "queued":
            begins = _sum(begins, takes)
    following = repr(places[-1].rank) if more else None
    return Overview(pause, running, progress, total, ends, tuple(waiting), following)


def wait(store: Store, work: Work | None, job_id: str) -> float | None:
    """Seconds before a queued job begins; None where that is not known, and while the line stands
    still."""
    with store.database.lock:
        known, pause = dict(store.speeds()), store.pause()
        before = store.places.work_ahead(job_id)
    if pause is not None or before is None:
        return None
    if work and (measured := work.meter.measured()):
        known.setdefault(speed.key(work.job.request), measured)
    left = work.meter.progress().left if work else 0.0
    return _sum(left, speed.together(before, known))


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _rank(cursor: str) -> float:
    try:
        rank = float(cursor)
    except ValueError:
        rank = float("nan")
    if not isfinite(rank) or len(cursor) > 40:
        raise InvalidRequest("cursor", "must be what an answer gave as its cursor")
    return rank

"""Jobs, their pictures and a few settings on disk: one SQLite file, every change one transaction.

What was acknowledged survives a crash (WAL, synchronous=FULL). Knows neither the engine nor who
looks at jobs; order in the line is a rank (`places`), order of acceptance a number, and neither is
the clock. Which state may follow which is `states.MOVES`, in every statement here.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from webui.errors import Failure, InvalidRequest, JobNotFound, LineFull, WrongState, failure
from webui.events import Outcome, Saved
from webui.jobs import rows, speed
from webui.jobs.database import Database
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.places import Places
from webui.jobs.speed import Speed
from webui.jobs.states import ACTIVE, ENDED, WAITING, State, before, listed
from webui.request import GenerationRequest
from webui.wire import event_to_dict

_KNOWN = 256  # jobs held in memory


class Store:
    """Any thread may call. Raises StartError if the file cannot be used, NotSaved as all here do
    if it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, lambda: self._known.clear())
        self.notices = self.database.notices
        self.places = Places(self.database)
        self._known: dict[str, Job] = {}  # as stored; pages ask for the same few all the time

    def close(self) -> None:
        self.database.close()

    # --- changes ----------------------------------------------------------------------------------

    def add(
        self,
        job_id: str,
        owner: str,
        request: GenerationRequest,
        now: float,
        max_waiting: int,
        retry_of: str | None = None,
    ) -> tuple[Job, bool]:
        """The job at the end of the line, and whether it is new.

        Raises InvalidRequest if the id is taken by another request, LineFull.
        """
        text = rows.request_text(request)
        asked = "SELECT coalesce(asked, request) FROM jobs WHERE id = ?"
        with self.database.transaction():
            for (known,) in self.database.rows(asked, job_id):
                if json.loads(known) != json.loads(text):
                    raise InvalidRequest(
                        "id", f"{job_id} belongs to a job with another request; send a new one"
                    )
                return self.job(job_id), False
            if self.places.waiting() >= max_waiting:
                raise LineFull(f"{max_waiting} jobs are waiting already; try again later")
            self.database.change(
                "INSERT INTO jobs (id, owner, request, state, rank, created, retry_of, pace, "
                "steps, images) VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                *(job_id, owner, text, self.places.last() + 1, now, retry_of, *rows.work(request)),
            )
        return self.job(job_id), True

    def claim(self, now: float) -> Job | None:
        """The first in the line becomes the running one; its attempt counts from here on."""
        first = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY rank LIMIT 1"
        with self.database.transaction():
            while found := self.database.rows(first):
                job_id: str = found[0]["id"]
                try:
                    self.job(job_id)
                except InvalidRequest as error:  # kept by a version with other fields
                    self.finish(job_id, "failed", now, failure(error))
                    continue
                self._move(job_id, "running", "started = ?, attempts = attempts + 1", now)
                return self.job(job_id)
        return None

    def put_back(self, job_id: str) -> bool:
        """The running job waits again where it stood: its attempt never began."""
        return self._move(job_id, "queued", "attempts = attempts - 1", only="running")

    def hold(self, job_id: str) -> bool:
        """False if it is held back already, or does not wait."""
        return self._move(job_id, "paused")

    def release(self, job_id: str) -> bool:
        return self._move(job_id, "queued", only="paused")

    def resume(self, job_id: str) -> bool:
        """An interrupted job waits again, with all that it has; not one that was dropped."""
        with self.database.transaction():
            if self.job(job_id).dropped:
                return False
            changes = "finished = NULL, error = NULL"
            return self._move(job_id, "queued", changes, only="interrupted")

    def finish(
        self, job_id: str, outcome: Outcome, now: float, error: Failure | None = None
    ) -> bool:
        """Ends a job; False if it cannot end so, because it has ended before."""
        text = json.dumps(asdict(error)) if error else None
        return self._move(job_id, outcome, "finished = ?, error = ?", now, text)

    def edit(self, job_id: str, request: GenerationRequest, instead_of: GenerationRequest) -> bool:
        """Another request for a waiting job; False if it has not `instead_of` any more.

        Raises WrongState if it does not wait (any more), or has begun.
        """
        with self.database.transaction():
            job = self.job(job_id)
            if job.state not in WAITING:
                raise WrongState(f"only a waiting job can be edited; this one is {job.state}")
            if job.attempts:  # what it has was made by its request
                raise WrongState("this job has begun and goes on as it is; duplicate it instead")
            if job.request != instead_of:
                return False
            self._change(
                job_id,
                "asked = coalesce(asked, request), request = ?, pace = ?, steps = ?, images = ?",
                *(rows.request_text(request), *rows.work(request)),
            )
            return True

    def drop(self, job_id: str) -> bool:
        """Off the list. Raises WrongState for a job that has not ended."""
        with self.database.transaction():
            job = self.job(job_id)
            if job.state not in ENDED:
                raise WrongState(f"a job that is {job.state} cannot be dropped; cancel it first")
            self._change(job_id, "dropped = 1")
            return not job.dropped

    def count_attempt(self, job_id: str) -> None:
        self._change(job_id, "attempts = attempts + 1")

    def count_crash(self, job_id: str) -> int:
        """How many there were, this one included."""
        with self.database.transaction():
            self._change(job_id, "crashes = crashes + 1")
            # of one whose request cannot be read, too
            return self.database.number("SELECT crashes FROM jobs WHERE id = ?", job_id)

    def add_picture(self, job_id: str, saved: Saved) -> None:
        with self.database.transaction():
            self._known.pop(job_id, None)
            self.database.change(
                "INSERT INTO pictures (job, image, path, saved) VALUES (?, ?, ?, ?)",
                *(job_id, saved.image, saved.path, json.dumps(event_to_dict(saved))),
            )

    def skip(self, job_id: str, images: set[int]) -> None:
        """All that were left out until now."""
        self._change(job_id, "skipped = ?", json.dumps(sorted(images)))

    def learn(self, pace: str, measured: Speed) -> None:
        mixed = speed.blended(self.speeds().get(pace), measured)
        statement = "INSERT OR REPLACE INTO speeds (pace, step, picture) VALUES (?, ?, ?)"
        self.database.change(statement, pace, mixed.step, mixed.picture)

    def set_previews(self, choice: PreviewChoice) -> None:
        self._set("previews", json.dumps(asdict(choice)))

    def set_pause(self, reason: str | None) -> None:
        """None: the line goes on."""
        self._set("pause", json.dumps(reason))

    # --- looking ----------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        """Raises JobNotFound; InvalidRequest for one that a version with other fields has kept."""
        with self.database.lock:
            job = self._known.get(job_id)
            if job is None:
                found = self.database.rows(f"SELECT {rows.COLUMNS} FROM jobs WHERE id = ?", job_id)
                if not found:
                    raise JobNotFound(f"no job has the id {job_id[:64]!r}")
                saved = "SELECT saved FROM pictures WHERE job = ? ORDER BY rowid"
                pictures = [each["saved"] for each in self.database.rows(saved, job_id)]
                job = self._known[job_id] = rows.job(found[0], pictures)
                if len(self._known) > _KNOWN:
                    del self._known[next(iter(self._known))]
            return job

    def each(self, ids: Sequence[str]) -> dict[str, Job]:
        """Without those that cannot be read; in one go, and past the memory."""
        marks = ", ".join("?" * len(ids))
        found = self.database.rows(f"SELECT {rows.COLUMNS} FROM jobs WHERE id IN ({marks})", *ids)
        jobs = {}
        for row in found:
            with suppress(InvalidRequest):
                jobs[row["id"]] = rows.job(row, ())
        return jobs

    def jobs(
        self, limit: int, states: tuple[State, ...] = (), older: str | None = None
    ) -> list[Job]:
        """Newest first, without those dropped; in all states unless some are named, and only
        those accepted before `older`, if that is given."""
        named = f"AND state IN {listed(states)}" if states else ""
        return self._jobs(
            "SELECT id FROM jobs WHERE dropped = 0 AND number < coalesce("
            f"(SELECT number FROM jobs WHERE id = ?), 9e18) {named} ORDER BY number DESC LIMIT ?",
            *(older, limit),
        )

    def latest(self, owner: str) -> Job | None:
        """The newest of that owner."""
        newest = self._jobs(
            "SELECT id FROM jobs WHERE owner = ? AND dropped = 0 ORDER BY number DESC LIMIT 1",
            owner,
        )
        return newest[0] if newest else None

    def retry_of(self, job_id: str) -> Job | None:
        """The newest retry of a job that has not ended."""
        states = listed(ACTIVE)
        newest = self._jobs(
            f"SELECT id FROM jobs WHERE retry_of = ? AND state IN {states} "
            "ORDER BY number DESC LIMIT 1",
            job_id,
        )
        return newest[0] if newest else None

    def begun(self) -> list[Job]:
        """Those that wait to go on."""
        return self._jobs(f"SELECT id FROM jobs WHERE state IN {listed(WAITING)} AND attempts > 0")

    def running(self) -> list[str]:
        found = self.database.rows("SELECT id FROM jobs WHERE state = 'running'")
        return [row["id"] for row in found]

    def lists(self, path: str) -> bool:
        """Whether a job saved the picture at `path` (relative to the outputs)."""
        return bool(self.database.number("SELECT count(*) FROM pictures WHERE path = ?", path))

    def speeds(self) -> Mapping[str, Speed]:
        found = self.database.rows("SELECT pace, step, picture FROM speeds")
        return speed.readable({row["pace"]: Speed(row["step"], row["picture"]) for row in found})

    def previews(self) -> PreviewChoice:
        with suppress(InvalidRequest, TypeError):  # what another version has kept
            return PreviewChoice(**self._setting("previews", {}))
        return PreviewChoice()

    def pause(self) -> str | None:
        """Why the line stands still, "" if somebody wanted it; None while it goes."""
        reason = self._setting("pause", None)
        return reason if isinstance(reason, str) else None

    # --- rows -------------------------------------------------------------------------------------

    def _move(
        self, job_id: str, to: State, changes: str = "", *values: object, only: State | None = None
    ) -> bool:
        """The one place where a state changes; False if no such move is allowed."""
        froms = (only,) if only else before(to)
        assert set(froms) <= set(before(to))
        with self.database.lock:
            self._known.pop(job_id, None)
            statement = f"UPDATE jobs SET state = '{to}'{changes and ', '}{changes} "
            moved = self.database.change(
                f"{statement} WHERE id = ? AND state IN {listed(froms)}", *values, job_id
            )
            return moved == 1

    def _change(self, job_id: str, changes: str, *values: object) -> None:
        with self.database.lock:
            self._known.pop(job_id, None)
            self.database.change(f"UPDATE jobs SET {changes} WHERE id = ?", *values, job_id)

    def _set(self, name: str, value: str) -> None:
        statement = "INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)"
        self.database.change(statement, name, value)

    def _setting(self, name: str, default: Any) -> Any:
        for row in self.database.rows("SELECT value FROM settings WHERE name = ?", name):
            with suppress(TypeError, ValueError):
                return json.loads(row["value"])
        return default

    def _jobs(self, query: str, *values: object) -> list[Job]:
        """One row of a version with other fields must not hide all the others."""
        jobs = []
        for row in self.database.rows(query, *values):
            with suppress(InvalidRequest):
                jobs.append(self.job(row["id"]))
        return jobs

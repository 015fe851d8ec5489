"""Jobs, their pictures and a few settings on disk: one SQLite file, every change one transaction.

What was acknowledged survives a crash (WAL, synchronous=FULL). Knows neither the engine nor who
looks at jobs; order in the line is a rank, order of acceptance a number, and neither is the clock.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from webui.errors import (
    Failure,
    InvalidRequest,
    JobNotFound,
    LineFull,
    NotSaved,
    failure,
)
from webui.events import Outcome, Saved
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.schema import connect
from webui.request import GenerationRequest, from_dict, from_json, to_json
from webui.wire import event_to_dict

_KNOWN = 256  # jobs held in memory
_COLUMNS = "id, owner, request, state, created, started, finished, attempts, error"


class Store:
    """One connection, guarded by a lock; any thread may call.

    Raises StartError if the file cannot be used, later NotSaved if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._db, self.notices = connect(path)  # notices: what happened at opening, for the log
        self._known: dict[str, Job] = {}  # as stored; pages ask for the same few all the time

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # --- changes ----------------------------------------------------------------------------------

    def add(
        self, job_id: str, owner: str, request: GenerationRequest, now: float, max_waiting: int
    ) -> tuple[Job, bool]:
        """The job at the end of the line, and whether it is new.

        Raises InvalidRequest if the id is taken by another request, LineFull.
        """
        text = _request_text(request)
        with self._transaction():
            for row in self._rows("SELECT request FROM jobs WHERE id = ?", job_id):
                if json.loads(row["request"]) != json.loads(text):
                    raise InvalidRequest(
                        "id", f"{job_id} belongs to a job with another request; send a new one"
                    )
                return self.job(job_id), False
            if self.waiting() >= max_waiting:
                raise LineFull(f"{max_waiting} jobs are waiting already; try again later")
            self._db.execute(
                "INSERT INTO jobs (id, owner, request, state, rank, created) VALUES "
                "(?, ?, ?, 'queued', (SELECT coalesce(max(rank), 0) + 1 FROM jobs), ?)",
                (job_id, owner, text, now),
            )
        return self.job(job_id), True

    def claim(self, now: float) -> Job | None:
        """The first in the line becomes the running one; its attempt counts from here on."""
        first = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY rank LIMIT 1"
        with self._transaction():
            while rows := self._rows(first):
                job_id: str = rows[0]["id"]
                try:
                    self.job(job_id)
                except InvalidRequest as error:  # kept by a version with other fields
                    self.finish(job_id, "failed", now, failure(error))
                    continue
                self._db.execute(
                    "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 "
                    "WHERE id = ?",
                    (now, job_id),
                )
                self._known.pop(job_id)
                return self.job(job_id)
        return None

    def count_attempt(self, job_id: str) -> None:
        with self._transaction(job_id):
            self._db.execute("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?", (job_id,))

    def add_picture(self, job_id: str, saved: Saved) -> None:
        with self._transaction(job_id):
            self._db.execute(
                "INSERT INTO pictures (job, image, path, saved) VALUES (?, ?, ?, ?)",
                (job_id, saved.image, saved.path, json.dumps(event_to_dict(saved))),
            )

    def finish(
        self, job_id: str, outcome: Outcome, now: float, error: Failure | None = None
    ) -> bool:
        """Ends a queued or running job; False if it had ended before."""
        with self._transaction(job_id):
            changed = self._db.execute(
                "UPDATE jobs SET state = ?, finished = ?, error = ? "
                "WHERE id = ? AND state IN ('queued', 'running')",
                (outcome, now, json.dumps(asdict(error)) if error else None, job_id),
            ).rowcount
        return changed == 1

    def interrupt_running(self, now: float, error: Failure) -> None:
        """What a server that died has left "running" becomes "interrupted"."""
        with self._transaction():
            for row in self._rows("SELECT id FROM jobs WHERE state = 'running'"):
                self.finish(row["id"], "interrupted", now, error)

    def set_previews(self, choice: PreviewChoice) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO settings (name, value) VALUES ('previews', ?)",
                (json.dumps(asdict(choice)),),
            )

    # --- looking ----------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        """Raises JobNotFound; InvalidRequest for one that a version with other fields has kept."""
        with self._lock:
            job = self._known.get(job_id)
            if job is None:
                rows = self._rows(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", job_id)
                if not rows:
                    raise JobNotFound(f"no job has the id {job_id[:64]!r}")
                job = self._known[job_id] = self._job(rows[0])
                if len(self._known) > _KNOWN:
                    del self._known[next(iter(self._known))]
            return job

    def jobs(self, limit: int) -> list[Job]:
        """Newest first."""
        return self._jobs("SELECT id FROM jobs ORDER BY number DESC LIMIT ?", limit)

    def latest(self, owner: str) -> Job | None:
        """The newest of that owner."""
        newest = self._jobs(
            "SELECT id FROM jobs WHERE owner = ? ORDER BY number DESC LIMIT 1", owner
        )
        return newest[0] if newest else None

    def queued(self) -> list[str]:
        """Ids, in order."""
        rows = self._rows("SELECT id FROM jobs WHERE state = 'queued' ORDER BY rank")
        return [row["id"] for row in rows]

    def waiting(self) -> int:
        return self._number("SELECT count(*) FROM jobs WHERE state = 'queued'")

    def ahead(self, job_id: str) -> int:
        """How many jobs, the running one included, come before a queued one; 0 for any other."""
        return self._number(
            "SELECT count(*) FROM jobs AS mine JOIN jobs AS other ON mine.id = ? "
            "AND mine.state = 'queued' AND (other.state = 'running' "
            "OR (other.state = 'queued' AND other.rank < mine.rank))",
            job_id,
        )

    def lists(self, path: str) -> bool:
        """Whether a job saved the picture at `path` (relative to the outputs)."""
        return bool(self._number("SELECT count(*) FROM pictures WHERE path = ?", path))

    def previews(self) -> PreviewChoice:
        for row in self._rows("SELECT value FROM settings WHERE name = 'previews'"):
            with suppress(InvalidRequest, TypeError, ValueError):  # what another version has kept
                return PreviewChoice(**json.loads(row["value"]))
        return PreviewChoice()

    # --- SQLite -----------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, job_id: str | None = None) -> Iterator[None]:
        """All or nothing; inside another one, part of it. `job_id` is the job that changes."""
        with self._lock:
            if job_id is not None:
                self._known.pop(job_id, None)
            try:
                if self._db.in_transaction:
                    yield
                    return
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
            except sqlite3.Error as error:
                raise NotSaved(f"{self._path}: {error}") from error

    def _roll_back(self) -> None:
        self._known.clear()  # some may be as they never came to be
        if self._db.in_transaction:  # SQLite has done it already if the disk is full
            self._db.execute("ROLLBACK")

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise NotSaved(f"{self._path}: {error}") from error

    def _number(self, query: str, *values: object) -> int:
        number: int = self._rows(query, *values)[0][0]
        return number

    def _jobs(self, query: str, *values: object) -> list[Job]:
        """One row of a version with other fields must not hide all the others."""
        jobs = []
        for row in self._rows(query, *values):
            with suppress(InvalidRequest):
                jobs.append(self.job(row["id"]))
        return jobs

    def _job(self, row: Any) -> Job:
        values = dict(row)
        pictures = self._rows("SELECT saved FROM pictures WHERE job = ? ORDER BY rowid", row["id"])
        error = json.loads(values.pop("error") or "null")
        return Job(
            **values | {"request": from_json(row["request"])},
            error=Failure(**error) if error else None,
            pictures=tuple(_saved(picture["saved"]) for picture in pictures),
        )


def _request_text(request: GenerationRequest) -> str:
    try:
        text = to_json(request)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest("extras", "must hold plain JSON values") from error
    return text


def _saved(text: str) -> Saved:
    values = json.loads(text)
    del values["type"]
    return Saved(**values | {"request": from_dict(values["request"])})

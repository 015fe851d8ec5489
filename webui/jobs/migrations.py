"""Older job stores brought to the present tables: all steps in one transaction, or none.

A step is written once and never changed: it names no table or function whose meaning may move on,
except where that is said.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress

from webui.jobs.speed import key_of_stored


def run(database: sqlite3.Connection, version: int) -> None:
    """From `version` to the newest. Raises sqlite3.Error with the file as it was."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for number, step in enumerate(_STEPS[version - 1 :], version + 1):
            step(database)
            database.execute(f"PRAGMA user_version = {number}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _to_2(database: sqlite3.Connection) -> None:
    """What the line grew: edits, crashes, skips, retries, drops, speeds."""
    for column in (
        "asked TEXT",
        "crashes INTEGER NOT NULL DEFAULT 0",
        "skipped TEXT NOT NULL DEFAULT '[]'",
        "retry_of TEXT",
        "dropped INTEGER NOT NULL DEFAULT 0",
        "pace TEXT NOT NULL DEFAULT ''",
        "steps INTEGER NOT NULL DEFAULT 0",
        "images INTEGER NOT NULL DEFAULT 0",
    ):
        database.execute(f"ALTER TABLE jobs ADD COLUMN {column}")
    database.execute("DROP INDEX jobs_by_state")
    database.execute("CREATE INDEX jobs_by_state ON jobs (state, rank, pace, steps, images)")
    database.execute("CREATE INDEX jobs_by_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL")
    database.execute(
        "CREATE TABLE speeds (pace TEXT PRIMARY KEY, step REAL NOT NULL, picture REAL NOT NULL)"
    )
    waiting = database.execute("SELECT id, request FROM jobs WHERE state = 'queued'").fetchall()
    for job_id, request in waiting:
        # a key of another version only costs an estimate; a row that cannot be read has none
        with suppress(LookupError, TypeError, ValueError):
            values = (*key_of_stored(json.loads(request)), job_id)
            database.execute("UPDATE jobs SET pace = ?, steps = ?, images = ? WHERE id = ?", values)


_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_to_2,)

"""Opening the job store's SQLite file: its tables, its version, and what to do with a bad one.

Knows nothing of jobs beyond the columns.
"""

import sqlite3
from datetime import datetime
from pathlib import Path

from webui.errors import StartError
from webui.jobs import migrations

VERSION = 2  # PRAGMA user_version; raise it with every change of the tables, and add a migration
_TABLES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of acceptance, whatever the clock says
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    request TEXT NOT NULL,                     -- JSON, complete
    state TEXT NOT NULL,
    rank REAL NOT NULL,                        -- order in the line
    created REAL NOT NULL,                     -- unix seconds
    started REAL,
    finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,                                -- JSON of a Failure
    asked TEXT,                                -- the first request, of a job that was edited
    crashes INTEGER NOT NULL DEFAULT 0,
    skipped TEXT NOT NULL DEFAULT '[]',        -- JSON list of images
    retry_of TEXT,                             -- id
    dropped INTEGER NOT NULL DEFAULT 0,        -- 1: taken off the list
    pace TEXT NOT NULL DEFAULT '',             -- key of its speed
    steps INTEGER NOT NULL DEFAULT 0,          -- of all batches
    images INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_state ON jobs (state, rank, pace, steps, images);
CREATE INDEX jobs_by_rank ON jobs (rank);
CREATE INDEX jobs_by_owner ON jobs (owner, number);
CREATE INDEX jobs_by_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE TABLE pictures (
    job TEXT NOT NULL REFERENCES jobs (id),
    image INTEGER NOT NULL,                    -- 0-based, -1 for the grid
    path TEXT NOT NULL,                        -- relative to the output folder
    saved TEXT NOT NULL,                       -- JSON of a Saved event
    PRIMARY KEY (job, image)
);
CREATE INDEX pictures_by_path ON pictures (path);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE speeds (pace TEXT PRIMARY KEY, step REAL NOT NULL, picture REAL NOT NULL);  -- seconds
"""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _DamagedError(Exception):
    pass


def connect(path: Path) -> tuple[sqlite3.Connection, list[str]]:
    """The open store and what there is to tell about it; a damaged file is moved aside.

    Raises StartError for a file of a newer version, and for one that cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(path), []
        except _DamagedError as error:
            moved = _move_aside(path)
            notice = f"{path} was damaged ({error}); it is now {moved.name}, a new one was started"
            return _opened(path), [notice]
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"the job store {path} cannot be opened: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    try:
        _prepare(database, path)
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode & 0xFF in _DAMAGED:
            raise _DamagedError(str(error)) from error
        raise
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StartError(
            f"the job store {path} has version {version}, this program knows version {VERSION}; "
            "start the newer program, or give another --data-dir"
        )
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    if tables and (version == 0 or not {"jobs", "pictures", "settings"} <= tables):
        raise _DamagedError("it lacks our tables")
    (health,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise _DamagedError(health)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if not tables:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version < VERSION:
        migrations.run(database, version)


def _move_aside(path: Path) -> Path:
    """SQLite's side files go along, or they would be taken for the new store's."""
    moved = path.with_name(f"{path.name}.bad-{datetime.now():%Y%m%d-%H%M%S-%f}")
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.replace(moved.with_name(moved.name + suffix))
    return moved

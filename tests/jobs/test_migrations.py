"""Data folders of earlier versions."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.jobs.fakes import Puppet, eventually, request
from webui.errors import Failure, StartError
from webui.events import Saved
from webui.jobs import migrations
from webui.jobs.job import PreviewChoice
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store
from webui.request import to_json
from webui.wire import event_to_dict

# as version 1 made it; never to be changed
VERSION_1 = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    rank REAL NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE INDEX jobs_by_state ON jobs (state, rank);
CREATE INDEX jobs_by_rank ON jobs (rank);
CREATE INDEX jobs_by_owner ON jobs (owner, number);
CREATE TABLE pictures (
    job TEXT NOT NULL REFERENCES jobs (id),
    image INTEGER NOT NULL,
    path TEXT NOT NULL,
    saved TEXT NOT NULL,
    PRIMARY KEY (job, image)
);
CREATE INDEX pictures_by_path ON pictures (path);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""
SAVED = Saved(0, "2026/a.png", request(0), 0.5, 9, 64, 64)


@pytest.fixture
def path(tmp_path):
    """A store of version 1: a job done, one failed, one running, four waiting, 4 unreadable."""
    path = tmp_path / "jobs.sqlite"
    states = ["done", "failed", "running", "queued", "queued", "queued", "queued"]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(VERSION_1)
        for n, state in enumerate(states):
            error = json.dumps({"kind": "OutOfMemory", "text": "x", "field": None})
            text = "{}" if n == 4 else to_json(request(n, images=3, batch_size=2))
            database.execute(
                "INSERT INTO jobs (id, owner, request, state, rank, created, attempts, error) "
                "VALUES (?, 'tab-1', ?, ?, ?, ?, ?, ?)",
                (f"job-000{n}", text, state, n + 1.5, 100.0 + n, n < 3, error if n == 1 else None),
            )
        database.execute(
            "INSERT INTO pictures VALUES ('job-0000', 0, ?, ?)",
            (SAVED.path, json.dumps(event_to_dict(SAVED))),
        )
        choice = '{"noisy": null, "predicted": "vae", "every": 3}'
        database.execute("INSERT INTO settings VALUES ('previews', ?)", (choice,))
    return path


def schema(path):
    with closing(sqlite3.connect(path)) as database:
        columns = database.execute(
            "SELECT m.name, c.name, c.type, c.[notnull], c.dflt_value FROM sqlite_schema m "
            "JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY 1, 2"
        ).fetchall()
        indices = database.execute(
            "SELECT m.name, i.seqno, i.name FROM sqlite_schema m "
            "JOIN pragma_index_info(m.name) i WHERE m.type = 'index' ORDER BY 1, 2"
        ).fetchall()
        (version,) = database.execute("PRAGMA user_version").fetchone()
    return columns, indices, version


def test_a_migrated_store_has_the_tables_of_a_new_one(path, tmp_path):
    Store(path).close()
    Store(tmp_path / "new.sqlite").close()
    assert schema(path) == schema(tmp_path / "new.sqlite")


def test_everything_of_version_1_is_still_there_and_goes_on(path):
    store, puppet = Store(path), Puppet()
    assert store.notices == [] and store.previews() == PreviewChoice(None, "vae", 3)
    assert store.job("job-0000").pictures == (SAVED,) and store.lists(SAVED.path)
    assert store.job("job-0001").error == Failure("OutOfMemory", "x")
    assert store.places.ids() == ["job-0003", "job-0004", "job-0005", "job-0006"]
    last = store.places.page(None, 9)[-1]
    assert (last.steps, last.images) == (4, 3) and '"m"' in last.pace
    line = JobLine(store, Log(), puppet.workshop())
    assert line.job("job-0002").state == "interrupted"
    puppet.order("finish", "finish", "finish")
    eventually(lambda: line.job("job-0006").state == "done")
    assert [job for job, _ in puppet.runs] == ["job-0003", "job-0005", "job-0006"]
    line.order.resume("job-0002")
    puppet.order("finish")
    eventually(lambda: line.job("job-0002").state == "done")
    line.close()
    store.close()


def test_a_migration_that_fails_halfway_leaves_the_old_store(path, monkeypatch):
    def fails(database):
        migrations._to_2(database)
        database.execute("SELECT * FROM nowhere")

    with closing(sqlite3.connect(path)) as database:
        before = list(database.iterdump())
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_STEPS", (fails,))
        with pytest.raises(StartError, match="cannot be opened: no such table: nowhere"):
            Store(path)
    with closing(sqlite3.connect(path)) as database:
        assert list(database.iterdump()) == before
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    store = Store(path)
    assert len(store.places.ids()) == 4
    store.close()

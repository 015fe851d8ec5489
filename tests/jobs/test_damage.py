"""Rows that are damaged, or of another version: they cost their own job, never the line."""

import sqlite3

import pytest

from tests.jobs.fakes import Puppet, eventually, request
from webui.errors import InvalidRequest, NotSaved
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store

FOREIGN = '{"model": "m", "a field of tomorrow": 1}'


@pytest.fixture
def begin(tmp_path):
    """A line over a store of two waiting jobs that `damage` (SQL) was done to."""
    opened = []

    def begin(damage, **others):
        store = Store(tmp_path / "jobs.sqlite")
        for id in ("job-0001", "job-0002"):
            store.add(id, "", request(), 1.0, 10)
        store.database.change(damage)
        store.close()
        store, puppet = Store(tmp_path / "jobs.sqlite"), Puppet()
        puppet.order("finish", "finish")
        line = JobLine(store, Log(), puppet.workshop(), retry=0.01, **others)
        opened.append((line, store))
        return line, store

    yield begin
    for line, store in opened:
        line.close()
        store.close()


def states(store):
    rows = store.database.rows("SELECT id, state FROM jobs ORDER BY number")
    return {row["id"]: row["state"] for row in rows}


@pytest.mark.parametrize(
    "damage",
    [
        f"UPDATE jobs SET request = '{FOREIGN}' WHERE id = 'job-0001'",
        "UPDATE jobs SET request = x'ff00' WHERE id = 'job-0001'",
        "UPDATE jobs SET skipped = 'x' WHERE id = 'job-0001'",
        "UPDATE jobs SET skipped = '[[]]' WHERE id = 'job-0001'",
        "UPDATE jobs SET error = '[1]' WHERE id = 'job-0001'",
        "UPDATE jobs SET error = '{\"colour\": 1}' WHERE id = 'job-0001'",
        "INSERT INTO pictures VALUES ('job-0001', 0, 'a.png', '{}')",
        "INSERT INTO pictures VALUES ('job-0001', 0, 'a.png', '[]')",
    ],
)
def test_a_waiting_job_that_cannot_be_read_fails_and_the_next_one_runs(begin, damage):
    line, store = begin(damage)
    eventually(lambda: states(store) == {"job-0001": "failed", "job-0002": "done"})
    assert "job-0002" in [job.id for job in line.jobs()]
    assert line.overview().total == 0


@pytest.mark.parametrize("text", [FOREIGN, "{", "nothing"])
def test_a_running_job_that_cannot_be_read_does_not_keep_the_server_from_starting(begin, text):
    line, store = begin(
        f"UPDATE jobs SET state = 'running', request = '{text}' WHERE id = 'job-0001'"
    )
    eventually(lambda: states(store) == {"job-0001": "interrupted", "job-0002": "done"})
    assert store.database.number("SELECT crashes FROM jobs WHERE id = 'job-0001'") == 1
    with pytest.raises(InvalidRequest):
        line.job("job-0001")


@pytest.mark.parametrize(
    "key", ["zz", "[]", '["m", "Euler a", true, "x", 1, 1]', '["m", "Euler a", true, 0, 0, 1]']
)
def test_a_speed_that_is_none_costs_neither_the_line_nor_the_other_estimates(begin, key):
    line, store = begin(f"INSERT INTO speeds VALUES ('{key}', 1.0, 1.0)")
    eventually(lambda: set(states(store).values()) == {"done"})
    assert key not in store.speeds() and len(store.speeds()) == 1
    line.pause()
    line.submit(request())
    assert line.overview().waiting[0].takes is not None


def test_a_waiting_job_with_a_damaged_key_has_no_estimate(begin):
    line, _ = begin(
        "INSERT INTO settings VALUES ('pause', '\"\"')",
    )
    line._store.database.change("UPDATE jobs SET pace = 'zz' WHERE id = 'job-0001'")
    first, second = line.overview().waiting
    assert (first.takes, second.takes, line.overview().ends) == (None, None, 0.0)


def test_speeds_that_cannot_be_read_cost_no_job(begin, monkeypatch):
    broken = NotSaved("the disk is gone")

    def unreadable(store):
        raise broken

    monkeypatch.setattr(Store, "speeds", unreadable)
    _, store = begin("SELECT 1")
    eventually(lambda: set(states(store).values()) == {"done"})


def test_whatever_goes_wrong_in_claiming_is_said_and_tried_again(begin, monkeypatch):
    real, left = Store.claim, [sqlite3.Warning("odd"), RuntimeError("unforeseen"), KeyError()]

    def claim(store, now):
        if left:
            raise left.pop()
        return real(store, now)

    monkeypatch.setattr(Store, "claim", claim)
    line, store = begin("SELECT 1")
    eventually(lambda: set(states(store).values()) == {"done"})
    assert "no job can be started: unforeseen" in line.notices
    assert "no job can be started: KeyError" in line.notices

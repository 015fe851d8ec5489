import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.jobs.fakes import request
from webui.errors import Failure, InvalidRequest, JobNotFound, LineFull, NotSaved, StartError
from webui.events import Saved
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "jobs.sqlite"


@pytest.fixture
def store(path):
    store = Store(path)
    yield store
    store.close()


def add(store, job_id, seed=1, owner="", max_waiting=10_000):
    return store.add(job_id, owner, request(seed), 100.0, max_waiting)[0]


def test_a_job_comes_back_as_it_went_in_also_after_reopening(store, path):
    asked = request(3, prompt="a 'cat'; -- ✓\n", extras={"own": {"list": [1, None, "x"]}})
    store.add("job-0001", "tab-1", asked, 100.5, 10)
    store.claim(101.0)
    saved = Saved(0, "2026-01-01/a.png", asked.alone(0), 1.5, 10**11, 64, 64)
    store.add_picture("job-0001", saved)
    store.finish("job-0001", "failed", 102.0, Failure("InvalidRequest", "is odd", "width"))
    store.close()
    again = Store(path)
    assert again.job("job-0001") == Job(
        id="job-0001",
        owner="tab-1",
        request=asked,
        state="failed",
        created=100.5,
        started=101.0,
        finished=102.0,
        attempts=1,
        error=Failure("InvalidRequest", "is odd", "width"),
        pictures=(saved,),
    )
    assert again.lists("2026-01-01/a.png") and not again.lists("a.png")
    assert again.notices == []
    again.close()


def test_order_is_that_of_acceptance_whatever_the_clock_says(store):
    for number, now in enumerate([500.0, 100.0, 300.0]):
        store.add(f"job-000{number}", "", request(), now, 10)
    assert store.places.ids() == ["job-0000", "job-0001", "job-0002"]
    assert [job.id for job in store.jobs(2)] == ["job-0002", "job-0001"]
    assert store.claim(0.0).id == "job-0000"
    assert [store.places.ahead(f"job-000{number}") for number in range(3)] == [0, 1, 2]


def test_the_newest_of_an_owner_is_found(store):
    for number, owner in enumerate(["a", "b", "a", "b", "b"]):
        add(store, f"job-000{number}", owner=owner)
    assert store.latest("a").id == "job-0002"
    assert store.latest("nobody") is None


def test_an_id_is_accepted_once(store):
    first, new = store.add("job-0001", "a", request(1), 1.0, 10)
    assert new
    store.claim(2.0)
    store.finish("job-0001", "done", 3.0)
    again, new = store.add("job-0001", "b", request(1), 4.0, 10)
    assert (again.state, again.owner, new) == ("done", "a", False)
    with pytest.raises(InvalidRequest, match=r"^id: job-0001 belongs to a job with another"):
        store.add("job-0001", "a", request(2), 5.0, 10)
    assert first.state == "queued"


def test_ten_thousand_wait_and_the_next_is_refused(store, path):
    add(store, "job-0000")
    database = sqlite3.connect(path)
    with database:  # in one transaction, for 10,000 would take as many flushes of the disk
        database.executemany(
            "INSERT INTO jobs (id, owner, request, state, rank, created) "
            "SELECT ?, owner, request, state, ?, created FROM jobs WHERE id = 'job-0000'",
            [(f"many-{number}", number + 2) for number in range(9_998)],
        )
    database.close()
    add(store, "job-last")
    assert store.places.waiting() == 10_000
    with pytest.raises(LineFull, match=r"^10000 jobs are waiting already; try again later$"):
        add(store, "job-more")
    with pytest.raises(JobNotFound):
        store.job("job-more")
    assert add(store, "job-last").state == "queued"  # a repeated one is not a new one
    started = time.thread_time()
    assert (store.places.ahead("job-last"), store.places.ahead("job-0000")) == (9_999, 0)
    assert store.claim(1.0).id == "job-0000"
    assert time.thread_time() - started < 0.5
    add(store, "job-more")


def test_only_the_first_end_of_a_job_counts(store):
    add(store, "job-0001")
    assert store.finish("job-0001", "cancelled", 5.0)
    assert not store.finish("job-0001", "done", 6.0)
    assert (store.job("job-0001").state, store.job("job-0001").finished) == ("cancelled", 5.0)
    assert store.claim(7.0) is None


def test_a_change_that_fails_halfway_leaves_nothing(store):
    add(store, "job-0001")
    saved = Saved(0, "a.png", request(), 1.0, 1, 8, 8)
    store.add_picture("job-0001", saved)
    with pytest.raises(NotSaved, match=r"jobs\.sqlite: UNIQUE"):
        store.add_picture("job-0001", saved)
    with pytest.raises(ZeroDivisionError), store.database.transaction():
        store.finish("job-0001", "done", 1 / 1)
        raise ZeroDivisionError
    assert store.job("job-0001").state == "queued"
    add(store, "job-0002")


def test_extras_that_are_no_json_are_refused(store):
    for extras in ({"a": object()}, {"a": float("nan")}, {"a": "\ud800"}):
        with pytest.raises(InvalidRequest, match=r"^extras: must hold plain JSON values$"):
            store.add("job-0001", "", request(extras=extras), 1.0, 10)
    assert store.jobs(5) == []


def test_a_row_of_another_version_hides_no_other(store, path):
    for number in range(3):
        add(store, f"job-000{number}")
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE jobs SET request = '{\"old\": 1}' WHERE id = 'job-0000'")
    database.close()
    store.close()
    store = Store(path)
    assert [job.id for job in store.jobs(9)] == ["job-0002", "job-0001"]
    assert store.claim(1.0).id == "job-0001"
    assert store.places.ids() == ["job-0002"]
    store.close()


@pytest.mark.parametrize(
    "junk",
    [
        "{",
        "[]",
        "5",
        "null",
        '{"often": 1}',
        '{"every": 0}',
        '{"every": 500}',
        '{"noisy": 5}',
        b"\xff",
    ],
)
def test_a_choice_of_previews_that_cannot_be_read_is_the_default(store, path, junk):
    store.set_previews(PreviewChoice(every=3))
    with sqlite3.connect(path) as other:
        other.execute("UPDATE settings SET value = ?", (junk,))
    other.close()
    assert store.previews() == PreviewChoice()


def test_previews_are_kept(store, path):
    assert store.previews() == PreviewChoice("fast", "fast", 1)
    store.set_previews(PreviewChoice(None, "vae", 4))
    store.close()
    again = Store(path)
    assert again.previews() == PreviewChoice(None, "vae", 4)
    again.close()


@pytest.mark.parametrize(
    ("values", "field"),
    [((3, None, 1), "noisy"), ((None, "", 1), "predicted"), ((None, None, 0), "every")],
)
def test_a_preview_choice_names_what_is_wrong(values, field):
    with pytest.raises(InvalidRequest) as raised:
        PreviewChoice(*values)
    assert raised.value.field == field


def test_a_newer_store_is_refused_and_not_touched(path):
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE jobs (id)")
    database.execute("PRAGMA user_version = 7")
    database.close()
    before = path.read_bytes()
    with pytest.raises(
        StartError, match=r"jobs\.sqlite has version 7, this program knows version 2"
    ):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "torn", "foreign", "middle"])
def test_a_damaged_store_is_moved_aside(path, damage):
    store = Store(path)
    for number in range(50):
        add(store, f"job-00{number:02}")
    store.close()
    whole = path.read_bytes()
    if damage == "text":
        path.write_bytes(b"this is no database at all\n" * 1000)
    elif damage == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "middle":
        path.write_bytes(whole[:4096] + os.urandom(4096 * 3) + whole[4096 * 4 :])
    else:
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE recipes (name)")
        database.close()
    bad = path.read_bytes()
    again = Store(path)
    assert again.jobs(5) == []
    assert add(again, "job-0001").state == "queued"
    again.close()
    (moved,) = [each for each in path.parent.iterdir() if ".bad-" in each.name]
    assert moved.read_bytes() == bad
    assert len(again.notices) == 1 and moved.name in again.notices[0]


def test_an_empty_file_is_a_new_store(path):
    path.parent.mkdir()
    path.touch()
    store = Store(path)
    assert (store.jobs(5), store.notices) == ([], [])
    store.close()


def test_a_store_that_cannot_be_opened_says_where(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"job store .*file/jobs\.sqlite cannot be opened"):
        Store(tmp_path / "file" / "jobs.sqlite")
    with pytest.raises(StartError, match="cannot be opened"):
        Store(tmp_path)


def test_eight_threads_lose_and_double_nothing(store):
    def submit(thread):
        for number in range(10):
            add(store, f"job-{thread}-{number:02}", seed=number)
            store.job(f"job-{thread}-{number:02}")

    threads = [threading.Thread(target=submit, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queued = store.places.ids()
    assert len(queued) == len(set(queued)) == 80
    for thread in range(8):  # each thread's own in the order it gave them
        own = [each for each in queued if each.startswith(f"job-{thread}-")]
        assert own == sorted(own)


WRITER = """
import sys
from pathlib import Path
from tests.jobs.fakes import request
from webui.jobs.store import Store
store, run = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(10**6):
    job_id = f"run-{run}-{number:06}"
    store.add(job_id, "", request(number), 1.0, 10**6)
    print("added", job_id, flush=True)
    if number % 2:
        store.finish(job_id, "cancelled", 2.0)
        print("ended", job_id, flush=True)
"""


def test_ten_kills_of_a_writing_process_lose_nothing_that_was_acknowledged(path):
    added, ended = [], set()
    for run in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(run)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        ) as writer:
            for _ in range(5 + 7 * run):
                word, job_id = writer.stdout.readline().decode().split()
                (added.append if word == "added" else ended.add)(job_id)
            time.sleep(0.003 * run)
            os.kill(writer.pid, signal.SIGKILL)
            for line in writer.stdout.read().decode().splitlines(keepends=True):
                if line.endswith("\n"):
                    word, job_id = line.split()
                    (added.append if word == "added" else ended.add)(job_id)
    store = Store(path)
    assert store.notices == []
    stored = {job.id: job.state for job in store.jobs(10**6)}
    assert len(added) > 200
    assert [job_id for job_id in added if job_id not in stored] == []
    assert [job_id for job_id in ended if stored[job_id] != "cancelled"] == []
    assert len(stored) - len(added) <= 10  # at most the one on its way at each kill
    queued = [job_id for job_id in store.places.ids() if job_id in added]
    assert queued == [job_id for job_id in added if stored[job_id] == "queued"]
    store.close()

"""What can be done with jobs that do not run, and how the line stands still."""

import re
import sqlite3
import threading
from pathlib import Path

import pytest

from tests.jobs.fakes import Puppet, eventually, request
from webui.errors import (
    EngineNotStarted,
    EngineRestarted,
    Failure,
    InvalidRequest,
    JobNotFound,
    LineFull,
    WrongState,
)
from webui.events import Edited, Finished, Held, Queued, Resumed, Saved, Skipped, Started
from webui.jobs.job import Progress
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.states import ACTIVE, ENDED, MOVES, STATES, before
from webui.jobs.store import Store


@pytest.fixture
def puppet():
    return Puppet()


@pytest.fixture
def start(tmp_path, puppet):
    opened = []

    def start(max_waiting=10_000, **functions):
        store = Store(tmp_path / "jobs.sqlite")
        line = JobLine(store, Log(), puppet.workshop(**functions), max_waiting=max_waiting)
        opened.append((line, store))
        return line

    def stop():
        line, store = opened.pop()
        line.close()
        store.close()

    start.stop = stop
    yield start
    while opened:
        puppet.order("finish")
        stop()


def ended(line, job_id):
    eventually(lambda: line.job(job_id).state in ENDED)
    return line.job(job_id)


def events(line, job_id):
    return [event for _, event in line.read(job_id, 0)[0]]


def waiting(line):
    return [each.job.id for each in line.overview(limit=500).waiting]


def held(line, count):
    """A paused line with `count` jobs: "job-0000", ..."""
    line.pause()
    return [line.submit(request(n), id=f"job-{n:04}").id for n in range(count)]


def test_the_table_of_moves_is_whole():
    assert set(MOVES) == set(STATES) == {*ACTIVE, *ENDED}
    assert before("queued") == ("paused", "running", "interrupted")
    for state in ("done", "stopped", "cancelled", "failed"):
        assert MOVES[state] == ()


def test_the_docs_show_the_table_of_moves():
    text = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text("utf-8")
    shown = {}
    for froms, to in re.findall(r"^\| ([a-z, ]+) \| ([a-z, ]*)\|$", text, re.MULTILINE):
        for each in froms.split(", "):
            shown[each] = set(to.replace(",", "").split())
    del shown["from"]
    assert shown == {state: set(to) for state, to in MOVES.items()}


# --- order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "order"),
    [
        ((3, "front"), "30124"), ((1, "back"), "02341"), ((4, "before", 1), "04123"),
        ((0, "before", 3), "12034"), ((0, "after", 3), "12304"), ((2, "after", 2), "01234"),
        ((0, "front"), "01234"), ((4, "after", 3), "01234"), ((4, "before", 0), "40123"),
    ],
)  # fmt: skip
def test_a_job_is_moved_and_moving_it_there_again_changes_nothing(start, puppet, move, order):
    line = start()
    jobs = held(line, 5)
    number, side, *other = move
    for _ in range(2):
        line.order.move(jobs[number], side, *[jobs[each] for each in other])
        assert "".join(id[-1] for id in waiting(line)) == order
    line.resume()
    puppet.order(*["finish"] * 5)
    eventually(lambda: len(puppet.runs) == 5)
    assert "".join(id[-1] for id, _ in puppet.runs) == order


def test_there_is_always_room_between_two_jobs(start):
    line = start()
    jobs = held(line, 4)
    expected = list(jobs)
    for turn in range(120):  # each halves the room before job 3; a float has some fifty halves
        moved = jobs[turn % 2]
        line.order.move(moved, "before", jobs[3])
        expected.remove(moved)
        expected.insert(expected.index(jobs[3]), moved)
        assert waiting(line) == expected
    last = line.submit(request(9))
    assert waiting(line) == [*expected, last.id]


def test_what_does_not_wait_cannot_be_moved_nor_be_moved_to(start, puppet):
    line = start()
    running, first = line.submit(request(0)), line.submit(request(1))
    eventually(lambda: line.running() is not None)
    for arguments in [(running.id, "front"), (first.id, "before", running.id)]:
        with pytest.raises(WrongState, match="does not wait any more"):
            line.order.move(*arguments)
    with pytest.raises(JobNotFound):
        line.order.move("no-such-job", "front")


def test_a_job_held_back_keeps_its_place_and_lets_others_pass(start, puppet):
    line = start()
    jobs = held(line, 3)
    for _ in range(2):
        assert line.order.hold(jobs[0]).state == "paused"
    line.resume()
    puppet.order("finish", "finish")
    ended(line, jobs[2])
    assert [id for id, _ in puppet.runs] == jobs[1:]
    assert line.order.resume(jobs[0]).state in ("queued", "running")
    puppet.order("finish")
    ended(line, jobs[0])
    assert events(line, jobs[0])[:3] == [Queued(0), Held(), Queued(0)]
    with pytest.raises(WrongState, match="only a waiting job can be held back; this one is done"):
        line.order.hold(jobs[0])


def test_a_paused_line_finishes_what_runs_and_begins_nothing_over_restarts_too(start, puppet):
    line = start()
    running, next_one = line.submit(request(0)), line.submit(request(1))
    eventually(lambda: line.running() is not None)
    line.pause()
    puppet.order("finish")
    assert ended(line, running.id).state == "done"
    start.stop()
    line = start()
    assert line.paused() and waiting(line) == [next_one.id]
    line.order.move(next_one.id, "front")
    assert [id for id, _ in puppet.runs] == [running.id]
    line.resume()
    puppet.order("finish")
    assert ended(line, next_one.id).state == "done"


def test_clearing_cancels_all_but_the_running_one(start, puppet):
    line = start()
    running = line.submit(request(0))
    eventually(lambda: line.running() is not None)
    others = [line.submit(request(n)).id for n in range(1, 4)]
    line.order.hold(others[1])
    assert [line.order.clear(), line.order.clear()] == [3, 0]
    assert [line.job(id).state for id in others] == ["cancelled"] * 3
    assert all(events(line, id)[-1] == Finished("cancelled") for id in others)
    puppet.order("finish")
    assert ended(line, running.id).state == "done"
    assert len(puppet.runs) == 1


# --- changes -------------------------------------------------------------------------------------


def test_an_edited_job_runs_the_new_request_and_its_first_one_still_names_it(start, puppet):
    line = start()
    [job] = held(line, 1)
    new = request(5, prompt="q", steps=3)
    assert line.order.edit(job, new, instead_of=request(0))
    assert not line.order.edit(job, request(6), instead_of=request(0))  # somebody was faster
    assert line.job(job).request == new
    assert events(line, job) == [Queued(0), Edited(("prompt", "seed", "steps"))]
    assert line.submit(request(0), id=job).request == new  # the client's own, sent again
    with pytest.raises(InvalidRequest):
        line.submit(new, id=job)
    line.resume()
    puppet.order("finish")
    assert ended(line, job).pictures[0].request == new
    with pytest.raises(WrongState, match=r"^only a waiting job can be edited; this one is done$"):
        line.order.edit(job, request(0), instead_of=new)


def test_an_edit_that_meets_the_claim_is_refused_or_run(start, puppet):
    """Whatever the order of the two: what runs is what the job says."""
    line = start()
    outcomes = set()
    for turn in range(40):
        line.pause()
        job = line.submit(request(0)).id
        go = threading.Barrier(2)

        def edit(job=job, go=go):
            go.wait()
            try:
                line.order.edit(job, request(1), instead_of=request(0))
            except WrongState:
                outcomes.add("refused")
            else:
                outcomes.add("edited")

        editor = threading.Thread(target=edit)
        editor.start()
        go.wait()
        if turn % 2:
            threading.Event().wait(0.002)
        line.resume()
        puppet.order("finish")
        editor.join()
        done = ended(line, job)
        assert done.pictures[0].request == done.request
    assert "edited" in outcomes


def test_an_ended_job_is_tried_again_once_however_often_it_is_asked(start, puppet):
    line = start()
    old = line.submit(request(3), owner="tab-1")
    with pytest.raises(WrongState, match="only an ended job can be tried again"):
        line.order.retry(old.id)
    puppet.order("fail")
    assert ended(line, old.id).state == "failed"
    line.pause()
    new = line.order.retry(old.id)
    assert (new.retry_of, new.request, new.owner) == (old.id, old.request, "tab-1")
    assert line.order.retry(old.id).id == new.id != old.id
    assert line.order.retry(old.id, new_id="own-id-0001").id == "own-id-0001"
    line.cancel(new.id)
    line.cancel("own-id-0001")
    assert line.order.retry(old.id).id not in (new.id, "own-id-0001")


def test_a_dropped_job_is_off_the_list_and_its_pictures_stay(start, puppet):
    line = start()
    first, second = line.submit(request(0), owner="a"), line.submit(request(1), owner="a")
    eventually(lambda: line.running() is not None)
    for job in (first, second):
        with pytest.raises(WrongState, match="cannot be dropped; cancel it first"):
            line.order.drop(job.id)
    puppet.order("finish", "finish")
    ended(line, second.id)
    for _ in range(2):
        assert line.order.drop(second.id).dropped
    assert [job.id for job in line.jobs()] == [first.id] and line.latest("a").id == first.id
    assert line.lists(f"{second.id}-0.png") and len(line.job(second.id).pictures) == 1


def test_lists_come_in_pages_and_by_state(start, puppet):
    line = start()
    done = [line.submit(request(n)).id for n in range(2)]
    puppet.order("finish", "finish")
    ended(line, done[1])
    jobs = held(line, 7)
    newest = [job.id for job in line.jobs(4)]
    assert newest == jobs[:2:-1]
    assert [job.id for job in line.jobs(4, older=newest[-1])] == [*jobs[2::-1], done[1]]
    assert [job.id for job in line.jobs(9, ("done",))] == done[::-1]
    pages, cursor = [], None
    while not pages or cursor:
        page = line.overview(cursor, limit=3)
        pages.append([(each.position, each.job.id) for each in page.waiting])
        cursor = page.cursor
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each for page in pages for each in page] == list(enumerate(jobs, 1))
    for wrong in ("x", "nan", "inf", "1" * 50):
        with pytest.raises(InvalidRequest) as raised:
            line.overview(wrong)
        assert raised.value.field == "cursor"


# --- going on ------------------------------------------------------------------------------------


def test_an_interrupted_job_goes_on_as_itself_after_what_it_has(start, puppet, tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    store.add("job-0000", "tab-1", request(images=3), 1.0, 10)
    store.claim(2.0)
    saved = Saved(0, "job-0000-0.png", request(), 0.5, 9, 64, 64)
    store.add_picture("job-0000", saved)
    store.close()
    line = start(kept_steps=lambda folder, batch: {0: 9, 1: 1}[batch])
    lost = line.job("job-0000")
    assert (lost.state, lost.crashes) == ("interrupted", 1)
    read = line.read("job-0000")[1]
    other = line.submit(request(9))
    eventually(lambda: line.running() is not None)
    for _ in range(2):
        line.order.resume("job-0000")
    puppet.order("finish", "finish")
    done = ended(line, "job-0000")
    assert puppet.runs == [(other.id, 0), ("job-0000", 1)]
    assert (done.state, done.attempts, done.error) == ("done", 2, None)
    assert [picture.image for picture in done.pictures] == [0, 1, 2]
    new = [event for _, event in line.read("job-0000", read)[0]]
    assert new[:2] == [Queued(1), Resumed(1, 1)]
    assert isinstance(events(line, "job-0000")[0], Started)
    assert events(line, "job-0000").count(saved) == 1
    with pytest.raises(WrongState, match="this one is done"):
        line.order.resume("job-0000")


def test_a_job_to_go_on_is_resumed_before_those_that_were_behind_it(start, puppet):
    line = start()
    first, second, third = (line.submit(request(number)) for number in range(3))
    eventually(lambda: line.running() is not None)
    line.pause()
    line.close()
    assert line.job(first.id).state == "interrupted"
    assert line.job(first.id).crashes == 0  # closing is no crash
    start.stop()
    line = start()
    line.order.resume(first.id)
    assert waiting(line) == [first.id, second.id, third.id]


def test_a_job_that_has_begun_is_not_edited(start, puppet):
    """What it has was made by its request."""
    line = start()
    job = line.submit(request(images=3))
    puppet.order("step", "step", "die", "die")
    assert ended(line, job.id).state == "interrupted"
    line.pause()
    line.order.resume(job.id)
    with pytest.raises(WrongState, match="has begun and goes on as it is; duplicate it instead"):
        line.order.edit(job.id, request(images=1), instead_of=request(images=3))
    assert line.job(job.id).request == request(images=3)


def test_a_dropped_job_is_not_resumed(start, puppet):
    line = start()
    job = line.submit(request())
    puppet.order("die", "die")
    assert ended(line, job.id).state == "interrupted"
    line.order.drop(job.id)
    with pytest.raises(WrongState):
        line.order.resume(job.id)


def test_two_crashes_over_restarts_are_two(start, puppet, tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    store.add("job-0000", "", request(), 1.0, 10)
    store.claim(2.0)
    store.close()
    line = start()
    line.order.resume("job-0000")
    puppet.order("die")
    job = ended(line, "job-0000")
    assert (job.state, job.crashes, len(puppet.runs)) == ("interrupted", 2, 1)
    text = (
        "this job has taken the engine or the server down 2 times and is not run again unasked; "
        "the last time: killed as ordered"
    )
    assert job.error == Failure("EngineDied", text)
    line.order.resume("job-0000")  # a person may
    puppet.order("finish")
    assert ended(line, "job-0000").state == "done"


def test_an_engine_started_anew_on_demand_is_no_crash(start, puppet):
    def run(job_id, asked, options):
        if len(puppet.runs) < 4:
            puppet.runs.append((job_id, options.first_batch))
            raise EngineRestarted("the engine was restarted")
        return (yield from puppet.run(job_id, asked, options))

    line = start(run=run)
    job = line.submit(request())
    puppet.order("finish")
    done = ended(line, job.id)
    assert (done.state, done.crashes, done.attempts) == ("done", 0, 5)


def test_an_engine_that_never_starts_pauses_the_line_and_drains_nothing(start, puppet):
    doomed = True

    def run(job_id, asked, options):
        if doomed:
            puppet.runs.append((job_id, 0))
            raise EngineNotStarted("no device of that kind")
            yield
        return (yield from puppet.run(job_id, asked, options))

    line = start(run=run)
    jobs = [line.submit(request(n)).id for n in range(5)]
    eventually(line.paused)
    reason = "the line is paused: the engine cannot be started: no device of that kind"
    assert line.overview().pause == reason and line.notices == (reason,)
    assert waiting(line) == jobs and puppet.runs == [(jobs[0], 0)] * 3
    assert (line.job(jobs[0]).attempts, line.job(jobs[0]).crashes) == (0, 0)
    line.resume()
    eventually(lambda: len(puppet.runs) == 6 and line.paused())
    doomed = False
    line.resume()
    assert line.notices == ()
    puppet.order(*["finish"] * 5)
    assert ended(line, jobs[4]).state == "done"
    assert [id for id, _ in puppet.runs[6:]] == jobs
    assert line.job(jobs[0]).attempts == 1


def test_a_job_is_cancelled_while_its_engine_does_not_start(start, puppet):
    claimed = threading.Event()

    def run(job_id, asked, options):
        claimed.set()
        raise EngineNotStarted("no device of that kind")
        yield

    line = start(run=run)
    job = line.submit(request())
    claimed.wait(5)
    line.cancel(job.id)
    assert ended(line, job.id).state == "cancelled"


def test_a_cancel_just_before_a_job_is_put_back_is_not_lost(start):
    claimed, go, tries = threading.Event(), threading.Event(), []

    def run(job_id, asked, options):
        claimed.set()
        go.wait(10)
        tries.append(job_id)
        raise EngineNotStarted("no device of that kind")
        yield

    line = start(run=run)
    job = line.submit(request())
    claimed.wait(10)
    with line._changed:  # so that its end has to wait
        go.set()
        eventually(lambda: len(tries) == 3)
        threading.Event().wait(0.1)
        line.cancel(job.id)
    assert ended(line, job.id).state == "cancelled"
    assert not line.paused()


# --- skipping ------------------------------------------------------------------------------------


def test_a_skip_leaves_one_picture_out_and_goes_on_with_the_next(start, puppet):
    line = start()
    job, other = line.submit(request(images=3)), line.submit(request(1))
    with pytest.raises(WrongState, match="only the running job can skip"):
        line.skip(other.id)
    puppet.order("step", "step", "step")
    eventually(lambda: any(getattr(e, "batch", 0) == 1 for e in events(line, job.id)))
    for _ in range(3):
        line.skip(job.id, 1)
    line.skip(job.id, 0)  # is over
    with pytest.raises(InvalidRequest, match=r"^batch: 2 has not begun; the one in hand is"):
        line.skip(job.id, 2)
    eventually(lambda: line.job(job.id).skipped == (1,))
    line.skip(job.id, 1)  # is over too: the click was meant for it, not for the next
    assert Skipped(1, 1) in events(line, job.id)
    puppet.order("finish", "finish")
    done = ended(line, job.id)
    assert (done.state, done.skipped) == ("done", (1,))
    assert [picture.image for picture in done.pictures] == [0, 2]
    assert {skip for skip in puppet.skips} == {(job.id, 1)}
    assert ended(line, other.id).state == "done"


def test_a_job_whose_every_picture_is_skipped_is_cancelled(start, puppet):
    line = start()
    job = line.submit(request())
    puppet.order("step")
    eventually(lambda: any(hasattr(e, "sigma") for e in events(line, job.id)))
    line.skip(job.id)
    assert ended(line, job.id).state == "cancelled"


def test_a_skipped_picture_stays_out_when_the_job_goes_on_later(start, puppet):
    line = start()
    job = line.submit(request(images=3))
    puppet.order("step")
    eventually(lambda: any(hasattr(e, "sigma") for e in events(line, job.id)))
    line.skip(job.id)
    eventually(lambda: line.job(job.id).skipped == (0,))
    puppet.order("die", "die")
    assert ended(line, job.id).state == "interrupted"
    line.order.resume(job.id)
    puppet.order("finish")
    done = ended(line, job.id)
    assert (done.state, [picture.image for picture in done.pictures]) == ("done", [1, 2])
    assert puppet.runs == [(job.id, 0), (job.id, 1), (job.id, 1)]


# --- estimates -----------------------------------------------------------------------------------


def test_times_are_told_from_what_runs_of_the_kind_took(start, puppet):
    line = start()
    assert line.submit(request(0)).state == "queued"
    puppet.order("finish")
    eventually(lambda: len(line._store.speeds()) == 1)  # steps of 0.1 s, as the puppet says
    line._store.database.change("UPDATE speeds SET picture = 0")  # which the clock has measured
    jobs = held(line, 3)
    wide = line.submit(request(9, width=128, steps=4, images=2))
    other = line.submit(request(9, model="never seen"))
    last = line.submit(request(9))
    line.order.hold(jobs[1])
    with line._changed:  # as if it went on; the lock keeps the worker from a claim
        line._store.set_pause(None)
        seen, page = line.overview(), line.overview(limit=2)
        following = line.overview(page.cursor)
        line._store.set_pause("")
    assert [each.job.id for each in seen.waiting] == [*jobs, wide.id, other.id, last.id]
    takes = [each.takes and round(each.takes, 1) for each in seen.waiting]
    assert takes == [0.2, 0.2, 0.2, 1.6, None, 0.2]  # twice the pixels, 8 steps
    wait = [each.wait if each.wait is None else round(each.wait, 1) for each in seen.waiting]
    assert wait == [0.0, None, 0.2, 0.4, 2.0, None]
    assert following.waiting[0].wait == pytest.approx(0.2)


def test_the_running_job_says_how_far_it_is(start, puppet):
    line = start()
    job = line.submit(request(images=2, steps=4))
    puppet.order("step")
    eventually(lambda: line.overview().progress and line.overview().progress.step == 1)
    assert line.overview().progress == Progress(0, 1, 4, 0.125, pytest.approx(0.7))
    assert line.overview().running.id == job.id


def test_ten_thousand_jobs_wait_and_the_next_is_refused(start, tmp_path):
    line = start(max_waiting=10_000)
    line.pause()
    first = line.submit(request(0), id="job-first")
    database = sqlite3.connect(tmp_path / "jobs.sqlite")
    with database:
        database.executemany(
            "INSERT INTO jobs (id, owner, request, state, rank, created, pace, steps, images) "
            "SELECT ?, owner, request, state, ?, created, pace, steps, images FROM jobs "
            "WHERE id = 'job-first'",
            [(f"many-{n:05}", n + 2) for n in range(9_999)],
        )
    database.close()
    with pytest.raises(LineFull):
        line.submit(request(1))
    assert line.order.move("many-09998", "before", first.id).state == "queued"
    page = line.overview(limit=2)
    assert [each.job.id for each in page.waiting] == ["many-09998", "job-first"]
    assert page.total == 10_000
    line.cancel("many-05000")
    line.submit(request(1))

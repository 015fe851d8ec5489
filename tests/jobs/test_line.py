import threading
import time

import pytest

from tests.jobs.fakes import Puppet, eventually, request
from webui.errors import EngineDied, Failure, InvalidRequest, JobNotFound, LineFull, NotSaved
from webui.events import (
    Finished,
    Look,
    Picture,
    Preview,
    Queued,
    Resumed,
    Saved,
    Stage,
    Started,
    Step,
    Warned,
)
from webui.jobs.job import PreviewChoice
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store


@pytest.fixture
def puppet():
    return Puppet()


@pytest.fixture
def start(tmp_path, puppet):
    opened = []

    def start(max_waiting=10_000, patience=8.0, retry=1.0, **functions):
        store = Store(tmp_path / "jobs.sqlite")
        line = JobLine(
            store,
            Log(),
            puppet.workshop(**functions),
            max_waiting=max_waiting,
            patience=patience,
            retry=retry,
        )
        opened.append((line, store))
        return line

    yield start
    for line, store in opened:
        puppet.order("finish")
        line.close()
        store.close()


def ended(line, job_id):
    eventually(lambda: line.job(job_id).finished is not None)
    return line.job(job_id)


def events(line, job_id):
    return [event for _, event in line.read(job_id, 0)[0]]


def started(line, job_id):
    eventually(lambda: Stage("loading model") in events(line, job_id))


def test_a_job_goes_from_queued_to_done_and_its_log_tells_all(start, puppet):
    line = start()
    asked = request(images=2)
    job = line.submit(asked, owner="tab-1")
    assert (job.state, job.owner, job.request, len(job.id)) == ("queued", "tab-1", asked, 32)
    puppet.order("finish")
    puppet.order("finish")
    pictures = tuple(
        Saved(image, f"{job.id}-{image}.png", asked.alone(image), 0.5, 9, 64, 64)
        for image in range(2)
    )
    done = ended(line, job.id)
    assert (done.state, done.attempts, done.error, done.pictures) == ("done", 1, None, pictures)
    assert done.created <= done.started <= done.finished
    seen = [Picture(2, 1, b"")]
    expected = [Queued(0), Started(2, 2), Stage("loading model")]
    for batch in range(2):
        for step in (1, 2):
            expected.append(Step(batch, step, 2, 1.0, 0.1))
            expected.append(Preview(batch, step, "noisy", "fast", *seen))
        expected.append(pictures[batch])
    assert events(line, job.id) == [*expected, Finished("done")]
    assert line.read(job.id, 13) == ([(14, Finished("done"))], 14)
    assert line.lists(pictures[1].path)
    eventually(lambda: puppet.tidied == 1)


def test_jobs_run_in_the_order_of_acceptance(start, puppet):
    line = start()
    jobs = [line.submit(request(seed)) for seed in range(5)]
    eventually(lambda: line.running() is not None)
    assert [line.ahead(job.id) for job in jobs] == [0, 1, 2, 3, 4]
    assert (line.waiting(), line.running().id) == (4, jobs[0].id)
    puppet.order(*["finish"] * 5)
    ended(line, jobs[4].id)
    assert [job_id for job_id, _ in puppet.runs] == [job.id for job in jobs]
    assert [job.id for job in line.jobs()] == [job.id for job in reversed(jobs)]
    assert (line.waiting(), line.running()) == (0, None)


def test_eight_threads_submitting_at_once_make_one_job_for_each_id(start, puppet):
    line = start()
    returned = []

    def submit(thread):
        for number in range(10):
            returned.append(line.submit(request(number), id=f"shared-{number:02}").id)
            line.submit(request(number), id=f"own-{thread}-{number:02}")

    threads = [threading.Thread(target=submit, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    puppet.order(*["finish"] * 90)
    eventually(lambda: line.waiting() == 0 and line.running() is None, 30)
    assert len(returned) == 80 and len(set(returned)) == 10
    ran = [job_id for job_id, _ in puppet.runs]
    assert len(ran) == len(set(ran)) == 90
    assert ran == [job.id for job in reversed(line.jobs(200))]


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_submitting_an_id_again_returns_its_job_whatever_its_state(start, puppet, state):
    line = start()
    if state == "queued":
        line.submit(request(0))
    job = line.submit(request(1), id="client-made_1")
    if state != "queued":
        started(line, job.id)
    if state == "done":
        puppet.order("finish")
        ended(line, job.id)
    again = line.submit(request(1), id="client-made_1")
    assert (again.id, again.state) == (job.id, state)
    with pytest.raises(InvalidRequest, match=r"^id: client-made_1 belongs to"):
        line.submit(request(2), id="client-made_1")
    assert [job.id for job in line.jobs()].count(job.id) == 1


@pytest.mark.parametrize(
    "id", ["", "short", "x" * 65, "../../etc", "a b c d e", "ünïcödéé", "12345678\n"]
)
def test_a_malformed_id_is_refused(start, id):
    line = start()
    with pytest.raises(InvalidRequest) as raised:
        line.submit(request(), id=id)
    assert raised.value.field == "id"
    with pytest.raises(JobNotFound):
        line.job(id)
    with pytest.raises(InvalidRequest):
        line.submit(request(), owner="\ud800")
    assert line.latest("\ud800") is None


def test_a_full_line_refuses_and_forgets_nothing(start, puppet):
    line = start(max_waiting=2)
    first = line.submit(request(0))
    started(line, first.id)
    waiting = [line.submit(request(1)), line.submit(request(2), id="client-made_1")]
    with pytest.raises(LineFull):
        line.submit(request(3))
    assert line.submit(request(2), id="client-made_1") == waiting[1]
    line.cancel(waiting[0].id)
    line.submit(request(4))


@pytest.mark.parametrize("ask", ["stop", "cancel"])
def test_a_waiting_job_is_cancelled_and_never_runs(start, puppet, ask):
    line = start()
    first, second = line.submit(request(0)), line.submit(request(1))
    started(line, first.id)
    for _ in range(2):
        assert getattr(line, ask)(second.id).state == "cancelled"
    puppet.order("finish")
    assert ended(line, first.id).state == "done"
    third = line.submit(request(2))
    puppet.order("finish")
    ended(line, third.id)
    assert [job_id for job_id, _ in puppet.runs] == [first.id, third.id]
    assert events(line, second.id) == [Queued(1), Finished("cancelled")]
    assert puppet.stops == []


def test_stop_keeps_what_there_is_and_cancel_throws_it_away(start, puppet):
    line = start()
    for ask, state, images in [("stop", "stopped", [0, 1]), ("cancel", "cancelled", [0])]:
        job = line.submit(request(images=3))
        puppet.order("step", "step", "step")
        eventually(lambda job=job: Step(1, 1, 2, 1.0, 0.1) in events(line, job.id))
        for _ in range(3):
            getattr(line, ask)(job.id)
        assert ended(line, job.id).state == state
        assert [saved.image for saved in line.job(job.id).pictures] == images
        assert puppet.stops.count((job.id, ask == "stop")) == 1
        getattr(line, ask)(job.id)
        assert line.job(job.id).state == state
    assert len(puppet.stops) == 2


def test_cancel_after_stop_wins_and_stop_after_cancel_does_nothing(start, puppet):
    told = []
    line = start(stop=lambda job_id, keep: told.append(keep))  # the engine is slow to obey
    for asks, expected in [(["stop", "cancel"], [True, False]), (["cancel", "stop"], [False])]:
        told.clear()
        job = line.submit(request())
        started(line, job.id)
        for ask in asks:
            getattr(line, ask)(job.id)
        puppet.order("finish")
        assert ended(line, job.id).state == "cancelled"
        assert told == expected


def test_a_stop_for_a_finished_job_does_not_touch_the_next(start, puppet):
    line = start()
    first = line.submit(request(0))
    puppet.order("finish")
    ended(line, first.id)
    second = line.submit(request(1))
    started(line, second.id)
    for ask in (line.stop, line.cancel):
        assert ask(first.id).state == "done"
    puppet.order("finish")
    assert ended(line, second.id).state == "done"
    assert puppet.stops == []
    with pytest.raises(JobNotFound):
        line.stop("no-such-job")


@pytest.mark.parametrize(("ask", "state"), [("stop", "stopped"), ("cancel", "cancelled")])
def test_a_stop_before_the_engine_knows_the_job_still_acts(start, puppet, ask, state):
    claimed, go, told = threading.Event(), threading.Event(), []

    def run(job_id, asked, options):
        claimed.set()
        go.wait()  # not with the engine yet: whatever it is told about this job is lost
        told.clear()
        return (yield from puppet.run(job_id, asked, options))

    def stop(job_id, keep):
        told.append(keep)
        if go.is_set():
            puppet.stop(job_id, keep)

    line = start(run=run, stop=stop)
    job = line.submit(request())
    claimed.wait()
    getattr(line, ask)(job.id)
    assert told == [ask == "stop"]
    go.set()
    assert ended(line, job.id).state == state


def test_a_stop_before_anything_has_begun_cancels(start, puppet):
    claimed, go = threading.Event(), threading.Event()

    class SlowLog(Log):
        def append(self, job_id, event):
            if isinstance(event, Started):
                claimed.set()
                go.wait()
            return super().append(job_id, event)

    line = start()
    line._log = SlowLog()
    job = line.submit(request())
    claimed.wait()
    line.stop(job.id)
    go.set()
    assert ended(line, job.id).state == "cancelled"
    assert puppet.runs == []


def test_a_dead_engine_is_given_the_job_once_more_after_the_last_whole_batch(start, puppet):
    line = start()
    job = line.submit(request(images=5, batch_size=2))
    puppet.order("step", "step", "step", "die", "finish")
    done = ended(line, job.id)
    assert (done.state, done.attempts) == ("done", 2)
    assert puppet.runs == [(job.id, 0), (job.id, 1)]
    assert puppet.saved == [(job.id, image) for image in range(5)]
    seen = events(line, job.id)
    assert [event for event in seen if isinstance(event, Resumed)] == [Resumed(1, 1)]
    assert seen.count(Started(3, 2)) == 1
    assert seen[-1] == Finished("done")


def test_a_picture_saved_before_the_death_is_not_saved_again(start, puppet):
    def run(job_id, asked, options):
        for event in puppet.run(job_id, asked, options):
            yield event
            if len(puppet.runs) == 1 and len(puppet.saved) == 1:
                raise EngineDied("between two pictures of a batch")
        return "done"

    line = start(run=run)
    job = line.submit(request(images=2, batch_size=2))
    puppet.order("finish", "finish")
    assert ended(line, job.id).state == "done"
    assert puppet.saved == [(job.id, 0), (job.id, 1)]
    assert Resumed(0, 2) in events(line, job.id)


def test_a_death_after_the_last_picture_loses_nothing(start, puppet):
    def run(job_id, asked, options):
        yield from puppet.run(job_id, asked, options)
        raise EngineDied("at the very end")

    line = start(run=run)
    job = line.submit(request())
    puppet.order("finish")
    assert (ended(line, job.id).state, line.job(job.id).attempts) == ("done", 1)


def test_a_second_death_interrupts_the_job_and_the_line_goes_on(start, puppet):
    line = start()
    first, second = line.submit(request(images=2)), line.submit(request(1))
    puppet.order("step", "step", "die", "die", "finish")
    job = ended(line, first.id)
    assert (job.state, job.attempts, len(job.pictures)) == ("interrupted", 2, 1)
    text = (
        "this job has taken the engine or the server down 2 times and is not run again unasked; "
        "the last time: killed as ordered"
    )
    assert job.error == Failure("EngineDied", text)
    assert events(line, first.id)[-1] == Finished("interrupted", job.error)
    assert ended(line, second.id).state == "done"


def test_attempts_are_in_the_store_before_the_run_begins(start, puppet):
    seen = []

    def run(job_id, asked, options):
        seen.append((line.job(job_id).state, line.job(job_id).attempts))
        return (yield from puppet.run(job_id, asked, options))

    line = start(run=run)
    job = line.submit(request())
    puppet.order("die", "finish")
    ended(line, job.id)
    assert seen == [("running", 1), ("running", 2)]


def test_a_cancelled_job_is_not_resumed(start, puppet):
    line = start(stop=lambda job_id, keep: puppet.order("die"))
    job = line.submit(request())
    started(line, job.id)
    line.cancel(job.id)
    assert ended(line, job.id).state == "cancelled"
    assert len(puppet.runs) == 1


def test_a_stopped_job_whose_engine_dies_is_resumed_to_be_decoded(start, puppet):
    def stop(job_id, keep):
        if len(puppet.runs) == 1:
            puppet.order("die")
        else:
            puppet.stop(job_id, keep)

    line = start(stop=stop)
    job = line.submit(request())
    started(line, job.id)
    line.stop(job.id)
    assert ended(line, job.id).state == "stopped"
    assert puppet.saved == [(job.id, 0)]


WRECKS = [
    (RuntimeError("<b>ü</b>"), Failure("EngineFailed", "RuntimeError: <b>ü</b>")),
    (SystemExit(3), Failure("EngineFailed", "SystemExit: 3")),
    (KeyboardInterrupt(), Failure("EngineFailed", "KeyboardInterrupt: ")),
    (GeneratorExit(), Failure("EngineFailed", "GeneratorExit: ")),
    (MemoryError(), Failure("EngineFailed", "MemoryError: ")),
    (NotSaved("/out is full"), Failure("NotSaved", "/out is full")),
    (InvalidRequest("model", "is gone"), Failure("InvalidRequest", "is gone", "model")),
]


@pytest.mark.parametrize(("wreck", "error"), WRECKS)
@pytest.mark.parametrize("place", ["run", "mid-run", "save", "save_grid", "keep_folder"])
def test_whatever_is_raised_ends_only_its_own_job(start, puppet, place, wreck, error):
    broken = True

    def breaks(function):
        def wrapped(*args):
            if broken:
                raise wreck
            return function(*args)

        return wrapped

    def run(job_id, asked, options):
        yield Stage("loading model")
        if broken:
            raise wreck
        return (yield from puppet.run(job_id, asked, options))

    workshop = puppet.workshop()
    name = "run" if place == "mid-run" else place
    function = run if place == "mid-run" else breaks(getattr(workshop, name))
    line = start(**{name: function})
    first = line.submit(request(images=2, batch_size=2))
    puppet.order("finish")
    job = ended(line, first.id)
    assert (job.state, job.error) == ("failed", error)
    assert events(line, first.id)[-1] == Finished("failed", error)
    eventually(lambda: line.running() is None)
    broken = False
    while not puppet.orders.empty():
        puppet.orders.get()
    second = line.submit(request(1))
    puppet.order("finish")
    assert ended(line, second.id).state == "done"


def test_a_picture_that_cannot_be_saved_leaves_the_others(start, puppet):
    def save(job, rendered):
        if rendered.image == 1:
            raise NotSaved("/out is full; the picture is in /spool/1.png")
        return puppet.save(job, rendered)

    line = start(save=save)
    job = line.submit(request(images=3))
    puppet.order("finish")
    failed = ended(line, job.id)
    assert failed.error == Failure("NotSaved", "/out is full; the picture is in /spool/1.png")
    assert [saved.image for saved in failed.pictures] == [0]


def test_done_means_that_every_picture_came(start, puppet):
    def run(job_id, asked, options):
        yield from list(puppet.run(job_id, asked, options))[:-1]
        return "done"

    line = start(run=run)
    job = line.submit(request(images=2))
    puppet.order("finish")
    failure = Failure("EngineFailed", "the engine ended without having sent picture 2")
    assert ended(line, job.id).error == failure


@pytest.mark.parametrize("outcome", [None, "finished", 3])
def test_an_outcome_that_is_none_fails(start, outcome):
    def run(job_id, asked, options):
        yield Stage("loading model")
        return outcome

    line = start(run=run)
    job = ended(line, line.submit(request()).id)
    assert (job.state, job.error.kind) == ("failed", "EngineFailed")


def test_several_pictures_get_a_grid_after_the_last(start, puppet):
    def save_grid(job, pictures):
        assert [each.image for each in pictures] == [0, 1]
        return Saved(-1, "grid.png", job.request, 1.0, 9, 128, 64)

    line = start(save_grid=save_grid)
    job, single = line.submit(request(images=2)), line.submit(request(1))
    puppet.order("finish", "finish")
    ended(line, single.id)
    assert [saved.image for saved in line.job(job.id).pictures] == [0, 1, -1]
    assert [saved.image for saved in line.job(single.id).pictures] == [0]
    assert events(line, job.id)[-2:] == [line.job(job.id).pictures[2], Finished("done")]


def test_what_the_last_server_left_running_is_interrupted_and_the_waiting_go_on(
    start, puppet, tmp_path
):
    store = Store(tmp_path / "jobs.sqlite")
    for number in range(3):
        store.add(f"job-000{number}", "tab-1", request(number, images=2), 1.0, 10)
    store.claim(2.0)
    saved = Saved(0, "a.png", request(0), 0.5, 9, 64, 64)
    store.add_picture("job-0000", saved)
    store.close()
    line = start()
    job = line.job("job-0000")
    error = Failure("EngineDied", "the server ended while this job ran; resume it, or run it again")
    assert (job.state, job.error, job.pictures, job.attempts) == ("interrupted", error, (saved,), 1)
    outline = [Started(2, 2), saved, Finished("interrupted", error)]
    assert line.read("job-0000", 0) == (list(enumerate(outline, 1)), 3)
    assert line.read("job-0000", 2) == ([(3, outline[2])], 3)
    assert (events(line, "job-0001")[0], events(line, "job-0002")[0]) == (Queued(0), Queued(1))
    puppet.order("finish", "finish")
    ended(line, "job-0002")
    assert [job_id for job_id, _ in puppet.runs] == ["job-0001", "job-0002"]
    assert line.latest("tab-1").id == "job-0002"


def test_closing_interrupts_the_running_job_and_leaves_the_waiting(start, puppet):
    line = start()
    first, second = line.submit(request(0)), line.submit(request(1))
    started(line, first.id)
    begun = time.monotonic()
    line.close()
    assert time.monotonic() - begun < 5
    job = line.job(first.id)
    text = "the server was closed while this job ran"
    assert (job.state, job.error) == ("interrupted", Failure("EngineDied", text))
    assert line.job(second.id).state == "queued"
    assert puppet.stops == [(first.id, False)]
    assert not line._thread.is_alive()
    line.close()
    again = start()
    puppet.order("finish")
    assert ended(again, second.id).state == "done"


def test_closing_does_not_wait_for_ever_for_an_engine_that_hangs(start, puppet):
    line = start(patience=0.2, stop=lambda job_id, keep: None)
    job = line.submit(request())
    started(line, job.id)
    line.close()
    assert line.job(job.id).state == "interrupted"
    puppet.order("finish")
    line._thread.join(5)
    assert line.job(job.id).state == "interrupted"
    assert events(line, job.id)[-1] == Finished("interrupted", line.job(job.id).error)
    assert events(line, job.id).count(events(line, job.id)[-1]) == 1


def test_previews_are_kept_given_to_the_next_run_and_shown_at_once(start, puppet):
    line = start()
    assert line.previews() == PreviewChoice("fast", "fast", 1)
    line.set_previews(PreviewChoice(None, "vae", 2))
    assert puppet.shown == []
    job = line.submit(request())
    started(line, job.id)
    options = puppet.options[0]
    assert (options.noisy, options.predicted, options.every) == (None, "vae", 2)
    assert options.keep == str(puppet.folder / job.id)
    line.set_previews(PreviewChoice("fast", None, 3))
    assert puppet.shown == [PreviewChoice("fast", None, 3)]


def test_previews_changed_while_the_engine_is_handed_the_job_reach_it(start, puppet):
    claimed, go = threading.Event(), threading.Event()

    def run(job_id, asked, options):
        claimed.set()
        go.wait()
        puppet.shown.clear()
        return (yield from puppet.run(job_id, asked, options))

    line = start(run=run)
    job = line.submit(request())
    claimed.wait()
    line.set_previews(PreviewChoice(None, None, 5))
    go.set()
    started(line, job.id)
    assert puppet.shown == [PreviewChoice(None, None, 5)]


def test_a_frame_comes_from_memory_or_is_made_again(start, puppet):
    asked_for = []

    def preview(*asked):
        asked_for.append(asked)
        return Picture(1, 1, b"rgb") if asked[1].step == 1 else None

    line = start(preview=preview)
    job = line.submit(request())
    puppet.order("finish")
    ended(line, job.id)
    assert line.frame(job.id, Look(0, 1, "noisy", "fast")).media_type == "image/png"
    assert asked_for == []
    assert line.frame(job.id, Look(0, 1, "noisy", "vae")).media_type == "image/png"
    assert line.frame(job.id, Look(0, 9, "noisy", "vae")) is None
    assert asked_for[0] == (puppet.folder / job.id, Look(0, 1, "noisy", "vae"))
    with pytest.raises(JobNotFound):
        line.frame("no-such-job", Look(0, 1, "noisy", "fast"))


def test_a_preview_that_cannot_be_drawn_is_dropped_and_the_job_goes_on(start, puppet):
    def run(job_id, asked, options):
        yield Preview(0, 1, "noisy", "fast", Picture(9, 9, b"short"))
        return (yield from puppet.run(job_id, asked, options))

    line = start(run=run)
    job = line.submit(request())
    puppet.order("finish")
    assert ended(line, job.id).state == "done"
    warned = [event for event in events(line, job.id) if isinstance(event, Warned)]
    assert warned == [Warned("a preview cannot be shown: not enough image data")]


def test_a_full_disk_holds_the_line_up_and_loses_no_end(start, puppet):
    line = start(retry=0.02)
    first, second = line.submit(request(0)), line.submit(request(1))
    started(line, first.id)
    finish, fails = line._store.finish, [NotSaved("jobs.sqlite: disk is full")] * 3

    def full(*args):
        if fails:
            raise fails.pop()
        return finish(*args)

    line._store.finish = full
    puppet.order("finish", "finish")
    assert ended(line, second.id).state == "done"
    assert line.job(first.id).state == "done"
    warned = [event for event in events(line, first.id) if isinstance(event, Warned)]
    assert warned == [Warned("its end cannot be stored yet: jobs.sqlite: disk is full")]
    assert [each for each in line.notices if "disk is full" in each] == [
        f"the end of job {first.id} cannot be stored: jobs.sqlite: disk is full"
    ]


def test_tidying_up_that_fails_is_noted_and_fails_no_job(start, puppet):
    def tidy():
        raise OSError("gone")

    line = start(tidy=tidy)
    jobs = [line.submit(request(seed)) for seed in range(2)]
    puppet.order("finish", "finish")
    assert ended(line, jobs[1].id).state == "done"
    eventually(lambda: line.notices == ("tidying up after jobs failed: gone",))

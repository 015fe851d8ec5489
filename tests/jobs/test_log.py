import io
import os
import threading

import pytest
from PIL import Image

from webui.events import Finished, Look, Picture, Preview, Queued, Stage, Step
from webui.jobs.log import Log, encode


def preview(step, width=64, height=64, kind="noisy"):
    return Preview(0, step, kind, "fast", Picture(width, height, os.urandom(3 * width * height)))


def test_events_are_numbered_from_one_and_read_after_a_number():
    log = Log()
    events = [Queued(0), Stage("sampling"), Step(0, 1, 2, 1.0, 0.1)]
    assert [log.append("a", event) for event in events] == [1, 2, 3]
    assert log.append("b", Queued(1)) == 1
    assert log.read("a", 0) == ([(1, events[0]), (2, events[1]), (3, events[2])], 3)
    assert log.read("a", 2) == ([(3, events[2])], 3)
    assert log.read("a", 3) == log.read("a", 99) == ([], 3)
    assert log.read("a", -5) == log.read("a", 0)
    assert log.read("c", 0) is None


def test_a_preview_leaves_its_pixels_to_the_frames():
    log = Log()
    event = preview(3, 16, 8)
    log.append("a", event)
    assert log.read("a", 0)[0] == [(1, Preview(0, 3, "noisy", "fast", Picture(16, 8, b"")))]
    frame = log.frame("a", Look(0, 3, "noisy", "fast"))
    image = Image.open(io.BytesIO(frame.data))
    assert (frame.media_type, image.size) == ("image/png", (16, 8))
    assert image.convert("RGB").tobytes() == event.picture.rgb
    assert log.frame("a", Look(0, 3, "predicted", "fast")) is None
    assert log.frame("b", Look(0, 3, "noisy", "fast")) is None


@pytest.mark.parametrize(
    ("size", "media_type", "shown"),
    [
        ((128, 128), "image/png", (128, 128)),
        ((512, 64), "image/png", (512, 64)),  # eight latents side by side stay sharp
        ((136, 136), "image/jpeg", (136, 136)),
        ((512, 512), "image/jpeg", (512, 512)),
        ((2048, 1024), "image/jpeg", (512, 256)),
    ],
)
def test_latents_stay_exact_and_pictures_become_small(size, media_type, shown):
    frame = encode(Picture(*size, bytes(3 * size[0] * size[1])))
    assert frame.media_type == media_type
    assert Image.open(io.BytesIO(frame.data)).size == shown


def test_a_picture_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="not enough image data"):
        encode(Picture(4, 4, b"abc"))


def frames(log, job_id, steps):
    return [
        step for step in range(1, steps + 1) if log.frame(job_id, Look(0, step, "noisy", "fast"))
    ]


def test_frames_of_the_oldest_ended_job_go_first():
    log = Log(frame_bytes=100_000)  # a frame of noise takes 12 kB
    for job_id in ("old", "new", "running"):
        for step in range(1, 4):
            log.append(job_id, preview(step))
        if job_id != "running":
            log.append(job_id, Finished("done"))
    assert (frames(log, "old", 3), frames(log, "new", 3)) == ([], [1, 2, 3])
    assert frames(log, "running", 3) == [1, 2, 3]
    assert len(log.read("old", 0)[0]) == 4  # its events are still there


def test_a_job_alone_keeps_to_the_bound_too_and_keeps_its_newest():
    log = Log(frame_bytes=50_000)
    for step in range(1, 21):
        log.append("running", preview(step))
    assert frames(log, "running", 20) == [17, 18, 19, 20]
    assert log._used <= 50_000


def test_a_frame_drawn_twice_counts_once():
    log = Log(frame_bytes=30_000)
    for _ in range(20):
        log.append("running", preview(1))
    log.append("running", preview(2))
    assert frames(log, "running", 2) == [1, 2]


def test_events_of_the_last_ended_jobs_stay_and_of_all_that_have_not_ended():
    log = Log(ended_jobs=3)
    log.append("waiting", Queued(0))
    for number in range(5):
        log.append(f"job-{number}", preview(1))
        log.append(f"job-{number}", Finished("done"))
    kept = [job_id for job_id in [f"job-{number}" for number in range(5)] if log.read(job_id, 0)]
    assert kept == ["job-2", "job-3", "job-4"]
    assert log.read("waiting", 0) == ([(1, Queued(0))], 1)
    assert len(log._entries) == 4
    assert log._used == sum(len(log.frame(each, Look(0, 1, "noisy", "fast")).data) for each in kept)


def test_readers_and_writers_in_many_threads_see_each_event_once():
    log = Log()

    def follow(seen):
        last = 0
        while last < 4_000:
            new, last = log.read("a", last) or ([], 0)
            seen += [number for number, _ in new]

    readers = [[] for _ in range(3)]
    threads = [threading.Thread(target=follow, args=(seen,)) for seen in readers]
    threads += [
        threading.Thread(target=lambda: [log.append("a", Queued(n)) for n in range(1_000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert readers == [list(range(1, 4_001))] * 3

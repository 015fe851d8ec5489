"""A picture's denoising as a file, over HTTP; what the engine would draw is a colour a step."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from PIL import Image

from tests.api.test_branches import post
from webui import exports
from webui.events import Picture

GREY = {"noisy": 40, "predicted": 140}


@pytest.fixture
def drawing(puppet):
    """What the engine is asked to draw; it draws each step in a grey of its own."""
    asked = []

    def again(folder, look):
        place = (look.batch, look.step, look.kind, look.method, look.position)
        asked.append((folder.name, *place))
        grey = GREY.get(look.kind)
        return Picture(8, 8, bytes([grey + 20 * look.step] * 192)) if grey else None

    puppet.again = again
    return asked


def greys(image):
    """Of the left and the right half."""
    pixels = np.asarray(image.convert("L")).astype(int)
    width = pixels.shape[1]
    return int(pixels[:, : width // 2].mean()), int(pixels[:, width // 2 :].mean())


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_film_of_both_views_has_a_frame_for_each_step(client, kept, drawing, method):
    asked = {"image": 1, "view": "both", "rate": 4, "size": 128}
    path = "/api/v1/jobs/original/export"
    answer = client.get(path, params=asked) if method == "get" else client.post(path, json=asked)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == ('attachment; filename="original-1-both.mp4"')
    with av.open(io.BytesIO(answer.content)) as film:
        stream = film.streams.video[0]
        frames = [frame.to_image() for frame in film.decode(stream)]
        assert float(stream.average_rate) == 4
    assert [frame.size for frame in frames] == [(256, 128)] * 4
    for step, frame in enumerate(frames, 1):
        assert greys(frame) == pytest.approx((40 + 20 * step, 140 + 20 * step), abs=3)
    assert set(drawing) == {
        ("original", 0, step, kind, "fast", 1) for step in (1, 2, 3, 4) for kind in GREY
    }


@pytest.mark.parametrize(
    ("format", "kind", "frames", "size"),
    [("webp", "WEBP", 4, (128, 128)), ("gif", "GIF", 4, (128, 128)), ("sheet", "JPEG", 1, None)],
)
def test_animations_and_sheets_open_with_as_many_frames(
    client,
    kept,
    drawing,
    format,
    kind,
    frames,
    size,
):
    answer = post(client, "jobs/original/export", format=format, size=128)
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, getattr(image, "n_frames", 1)) == (kind, frames)
    assert answer.headers["content-type"] == Image.MIME[kind]
    assert size is None or image.size == size


def test_what_was_drawn_once_is_not_drawn_again(client, kept, drawing):
    for format in ("gif", "webp"):
        assert post(client, "jobs/original/export", format=format).status_code == 200
    assert len(drawing) == 4


def test_a_long_film_is_made_smaller(client, kept, drawing, monkeypatch):
    monkeypatch.setattr(exports, "MOST_PIXELS", 4 * 64 * 64)
    answer = post(client, "jobs/original/export", format="gif", size=256)
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"format": "avi"}, "format", "must be one of mp4, webp, gif, sheet, got 'avi'"),
        ({"view": "all"}, "view", "must be one of noisy, predicted, both, guidance, got 'all'"),
        ({"rate": 0}, "rate", "must be from 0.5 to 60, got 0; try 0.5"),
        ({"size": 5000}, "size", "must be from 64 to 1024, got 5000; try 1024"),
        ({"method": "slow"}, "method", "must be one of: fast; got 'slow'"),
        ({"fps": 3}, "fps", "is not a field; known are ['format', 'method', 'rate', 'size', 'vi"),
        ({"image": 2}, "image", "must be from 0 to 1 for this job, got 2"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(client, kept, drawing, body, field, text):
    answer = post(client, "jobs/original/export", **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert error["text"].startswith(text)
    assert drawing == []


def test_a_guidance_that_was_not_recorded_cannot_be_exported(client, kept, drawing):
    answer = post(client, "jobs/original/export", view="guidance")
    assert answer.status_code == 409
    assert answer.json()["error"]["text"] == (
        "the unprompted view of step 1 of picture 0 is not kept (any more)"
    )


def test_two_films_are_made_at_once_and_a_third_is_told_when_to_ask_again(client, kept, puppet):
    go, begun = threading.Event(), threading.Semaphore(0)

    def again(*asked):
        begun.release()
        assert go.wait(20)
        return Picture(8, 8, bytes(192))

    puppet.again = again
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(post, client, "jobs/original/export", image=n) for n in (0, 1)]
        for _ in range(8):  # frames of both
            assert begun.acquire(timeout=20)
        refused = post(client, "jobs/original/export", image=0)
        go.set()
        assert [each.result(20).status_code for each in first] == [200, 200]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")


def test_films_that_fail_leave_room_for_others(client, kept, drawing):
    for _ in range(3):
        assert post(client, "jobs/original/export", view="guidance").status_code == 409
        assert post(client, "jobs/original/export", image=9).status_code == 422
    assert post(client, "jobs/original/export", format="gif").status_code == 200


def test_a_frame_of_one_picture_comes_in_its_own_size(client, kept, drawing, puppet):
    puppet.again = lambda *asked: Picture(800, 600, bytes(800 * 600 * 3))
    path = "/api/v1/jobs/original/frames/0/2/predicted?position=1"
    assert Image.open(io.BytesIO(client.get(path).content)).size == (800, 600)

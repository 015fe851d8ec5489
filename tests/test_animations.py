"""Films, animations and sheets, opened again with other code than made them."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from webui.animations import FORMATS, labelled, sheet

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (120, 120, 120)]
FRAMES = [Image.new("RGB", (64, 48), colour) for colour in COLOURS]


def middle(image):
    return tuple(int(each) for each in np.asarray(image.convert("RGB"))[24, 32])


def near(one, other, most):
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


def test_a_film_has_every_frame_in_order_at_its_rate():
    with av.open(io.BytesIO(FORMATS["mp4"].encode(FRAMES, 12.5))) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 12.5)
        shown = [frame.to_image() for frame in film.decode(stream)]
    assert [image.size for image in shown] == [(64, 48)] * 5
    assert all(
        near(middle(image), colour, 12) for image, colour in zip(shown, COLOURS, strict=True)
    )


@pytest.mark.parametrize("size", [(65, 47), (2, 3)])
def test_a_film_of_odd_sides_loses_a_row(size):
    with av.open(io.BytesIO(FORMATS["mp4"].encode([Image.new("RGB", size)], 1))) as film:
        (frame,) = film.decode(film.streams.video[0])
    assert (frame.width, frame.height) == (size[0] // 2 * 2, size[1] // 2 * 2)


@pytest.mark.parametrize(("format", "most"), [("webp", 12), ("gif", 3)])
def test_an_animation_has_every_frame_and_rests_on_the_last(format, most):
    image = Image.open(io.BytesIO(FORMATS[format].encode(FRAMES, 10)))
    assert (image.n_frames, image.size, image.info["loop"]) == (5, (64, 48), 0)
    durations = []
    for number, colour in enumerate(COLOURS):
        image.seek(number)
        assert near(middle(image), colour, most)
        durations.append(image.info["duration"])
    assert durations == [100, 100, 100, 100, 1500]


def test_a_sheet_shows_all_frames_row_by_row_with_their_words():
    cells = [labelled(frame, f"step {number}") for number, frame in enumerate(FRAMES)]
    assert cells[0].size == (64, 64)
    image = Image.open(io.BytesIO(sheet(cells)))
    assert (image.format, image.size) == ("JPEG", (2 * 68 + 4, 3 * 68 + 4))
    pixels = np.asarray(image).astype(int)
    for number, colour in enumerate(COLOURS):
        row, column = divmod(number, 2)
        assert near(pixels[4 + row * 68 + 24, 4 + column * 68 + 32], colour, 8)
        words = pixels[4 + row * 68 + 50 : 4 + row * 68 + 62, 4 + column * 68 : 60 + column * 68]
        assert words.max() > 180

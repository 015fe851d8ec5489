"""Pictures of few bytes that are made to take time: read in no time, or refused."""

import struct
import time
import tracemalloc

import pytest

from tests.test_pictures_hostile import avif, box, chunk, jpeg_with, png
from webui.errors import InvalidRequest
from webui.pictures import look
from webui.pictures import png as png_reader

GIF = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0)
SIZE = box(b"iprp", box(b"ipco", box(b"ispe", struct.pack(">III", 0, 8, 8))))


def entries(tag, kind, size, offset, count):
    return struct.pack(">H", count) + struct.pack(">HHII", tag, kind, size, offset) * count


def pointers(count, values):
    """So many pointers to one list of so many values."""
    place = 10 + 12 * count
    first = entries(0x8769, 4, 1, place, count)
    return b"MM\0*" + struct.pack(">I", 8) + first + entries(0x9000, 7, 1, 0, values)


def comments(count, size):
    """So many pointers to one comment."""
    place = 10 + 12 * count
    first = entries(0x8769, 4, 1, place, count)
    comment = entries(0x9286, 7, size, place + 14, 1)
    return b"MM\0*" + struct.pack(">I", 8) + first + comment + b"c" * size


def with_items(*boxes):
    return box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + b"".join(boxes) + SIZE)


def places(items, extents=65_535):
    """A list of items in pieces that have no bytes: each costs its reader, and its file nothing."""
    head = bytes(6) + struct.pack(">H", items)
    return box(b"iloc", head + struct.pack(">HHH", 1, 0, extents) * items)


SLOW = {
    "pointers to long lists in a PNG": png(chunk(b"eXIf", pointers(4000, 4000))),
    "pointers to long lists in a JPEG": jpeg_with(b"Exif\0\0" + pointers(2700, 2700)),
    "pointers to a long comment": png(chunk(b"eXIf", comments(4000, 200_000))),
    "a list of 60,000 values": png(chunk(b"eXIf", pointers(1, 60_000))),
    "many EXIF blocks in a PNG": png(*[chunk(b"eXIf", pointers(1, 4000))] * 400),
    "many EXIF blocks in a JPEG": jpeg_with(*[b"Exif\0\0" + pointers(1, 4000)] * 60),
    "many pieces without bytes": with_items(places(9000)),
    "60,000 items": with_items(places(60_000)),
    "many lists of properties": with_items(
        *[box(b"iprp", box(b"ipco", box(b"free", b"") * 1000))] * 2000
    ),
    "many lists of items": with_items(
        *[box(b"iinf", bytes(6) + box(b"infe", bytes(14)) * 1000)] * 500
    ),
    "a JPEG of 60 MB of filling": b"\xff\xd8\xff" + b"\xff" * 60_000_000,
    "a JPEG of a million segments": b"\xff\xd8" + b"\xff\xe5\0\2" * 1_000_000,
    "a GIF of 20 million extensions": GIF + b"\x21\1\0" * 20_000_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_what_is_made_to_take_time_takes_none(name):
    began = time.thread_time()
    try:
        assert look(SLOW[name]).width == 8
    except InvalidRequest as error:
        assert error.field == "picture"
    assert time.thread_time() - began < 0.5  # seconds; what took time took minutes


def test_a_comment_that_is_pointed_to_often_is_kept_once():
    data = png(chunk(b"eXIf", comments(4000, 200_000)))
    tracemalloc.start()
    header = look(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(each.text) for each in header.chunks] == [200_000]
    assert most < 8 * 2**20


@pytest.mark.parametrize("kind", [b"iloc", b"iinf"])
@pytest.mark.parametrize("size", range(8))
def test_a_list_that_is_cut_is_refused_or_passed_over(kind, size):
    data = box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + SIZE + box(kind, bytes(size)))
    try:
        assert look(data).chunks == ()
    except InvalidRequest as error:
        assert str(error) == "picture: is an AVIF whose list of items is cut"


def test_the_first_size_that_a_png_says_is_the_one_that_is_decoded():
    """Pillow takes the last: a picture that was looked at as 8 x 8 would be 67 megapixels."""
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 8000, 8000, 8, 6, 0, 0, 0))
    assert png_reader.bare(png(huge)) == png()


def test_a_png_of_too_many_chunks_is_refused():
    assert look(png(*[chunk(b"tEXt", b"a\0b")] * 49_000)).width == 8
    with pytest.raises(InvalidRequest, match="more than 50000 chunks"):
        look(png(*[chunk(b"IDAT", b"")] * 50_000))


def test_the_size_of_an_avif_is_still_that_of_its_largest_picture():
    assert look(avif((8, 8), (64, 32))).width == 64

"""Pictures made to hurt: refused within 0.2 s and 50 MB, each in a process of its own."""

import io
import json
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from webui.errors import InvalidRequest
from webui.pictures import MAX_PIXELS, decode, exif, look

CHILD = """
import json, resource, sys, time
from webui import pictures
from PIL import Image
from webui.errors import InvalidRequest
Image.init()
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
try:
    pictures.decode(data) if sys.argv[1] == "decode" else pictures.look(data)
    said = ""
except InvalidRequest as error:
    said = str(error)
spent = time.process_time() - began
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([said, spent, grown / 1024]))
"""


def chunk(kind, body):
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks, size=(8, 8)):
    rows = zlib.compress(bytes((1 + 3 * size[0]) * size[1]), 9) if size[0] < 100 else b"x" * 22_000
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def bomb(size):
    return zlib.compress(bytes(size), 9)


def jpeg_with(*segments):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    marked = b"".join(b"\xff\xe1" + struct.pack(">H", len(each) + 2) + each for each in segments)
    return buffer.getvalue()[:2] + marked + buffer.getvalue()[2:]


def webp(width, height):
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + canvas


def box(kind, body):
    return struct.pack(">I4s", len(body) + 8, kind) + body


def avif(*sizes):
    properties = b"".join(box(b"ispe", struct.pack(">III", 0, *size)) for size in sizes)
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", properties)))
    return box(b"ftyp", b"avif" + bytes(4)) + meta


def greedy_tiff():
    """2,000 tags, each of which claims the whole block."""
    entries = [struct.pack(">HHII", 0x9C00 + tag, 1, 60_000, 8) for tag in range(2000)]
    return b"MM\0*" + struct.pack(">IH", 8, len(entries)) + b"".join(entries) + bytes(40_000)


BOMBS = {
    "179 megapixels in 22 kB": (png(size=(13_360, 13_360)), "pixels"),
    "a zTXt of 300 MB": (png(chunk(b"zTXt", b"parameters\0\0" + bomb(300 * 2**20))), "inflates"),
    "an iTXt of 300 MB": (
        png(chunk(b"iTXt", b"parameters\0\1\0\0\0" + bomb(300 * 2**20))), "inflates"),
    "100 zTXt of 1 MB": (png(*[chunk(b"zTXt", b"k\0\0" + bomb(2**20 - 1))] * 100), "texts"),
    "300 zTXt that fail at their end": (
        png(*[chunk(b"zTXt", b"k\0\0" + bomb(2**20 - 1)[:-4] + b"bad!")] * 300), "texts"),
    "a plain text of 20 MB": (png(chunk(b"tEXt", b"k\0" + b"x" * 20 * 2**20)), "at most"),
    "a JPEG of 65,535 pixels each way": (
        jpeg_with().replace(b"\x08\0\x08\0\x08\x03", b"\x08\xff\xff\xff\xff\x03", 1), "pixels"),
    "a JPEG of 500 EXIF segments": (jpeg_with(*[b"Exif\0\0" + bytes(60_000)] * 500), "before"),
    "EXIF that claims 120 MB": (jpeg_with(b"Exif\0\0" + greedy_tiff()), "EXIF"),
    "a WebP canvas of 268 megapixels": (webp(16_383, 16_383), "pixels"),
    "an AVIF with a small picture and a huge one": (avif((8, 8), (60_000, 60_000)), "pixels"),
    "a GIF of 10 MB of comment": (
        b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"\x21\xfe"
        + (b"\xff" + b"c" * 255) * 40_000 + b"\0", "before"),
    "a GIF whose frame is larger than it": (
        b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0) + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0), "pixels"),
    "a BMP of 2 thousand million pixels": (
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 2**16, -(2**15), 1, 24) + bytes(30),
        "pixels"),
}  # fmt: skip


def in_a_child(data, how):
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, how], input=data, capture_output=True, check=True, timeout=60
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("how", ["look", "decode"])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_fast_and_in_little_memory(name, how):
    data, why = BOMBS[name]
    said, seconds, megabytes = in_a_child(data, how)
    assert said.startswith("picture: ") and why in said
    assert seconds < 0.2 and megabytes < 50


def test_a_profile_that_inflates_to_300_mb_is_never_inflated():
    data = png(chunk(b"iCCP", b"icc\0\0" + bomb(300 * 2**20)))
    for how in ("look", "decode"):
        said, seconds, megabytes = in_a_child(data, how)
        assert said == "" and seconds < 0.2 and megabytes < 50


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG", b"%PDF-1.7", b"8BPS\0\1", b"%!PS-Adobe", b"SIMPLE  =", b"<svg/>", b"II*\0",
     b"\0\0\1\0", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypheic", b"#define x_width 1", b"P6 1 1 255 "],
)  # fmt: skip
def test_other_formats_are_refused_with_those_that_can_be_read(data):
    with pytest.raises(InvalidRequest) as raised:
        look(data + bytes(100))
    assert raised.value.field == "picture"
    assert str(raised.value).endswith("these can: PNG, JPEG, WEBP, AVIF, GIF, BMP")


def test_the_pixel_limit_is_exact():
    side = 2**13
    assert side * side == MAX_PIXELS
    assert look(png(size=(side, side))).width == side
    with pytest.raises(InvalidRequest):
        look(png(size=(side, side + 1)))
    with pytest.raises(InvalidRequest):
        look(png(size=(0, 8)))


def samples():
    image = Image.effect_noise((16, 16), 50).convert("RGB")
    for format in ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP"):
        buffer = io.BytesIO()
        carried = {} if format in ("GIF", "BMP") else {"exif": exif.block("Steps: 1")}
        image.save(buffer, format, **carried)
        yield buffer.getvalue()


SAMPLES = tuple(samples())


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_is_changed_in_a_file_only_ever_refuses_it(data):
    sample = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for at, byte in data.draw(
        st.lists(
            st.tuples(st.integers(0, min(len(sample), 400) - 1), st.integers(0, 255)), max_size=8
        )
    ):
        sample[at] = byte
    cut = bytes(sample[: data.draw(st.integers(0, len(sample)))])
    try:
        header = look(cut)
    except InvalidRequest as error:
        assert error.field == "picture"
    else:
        assert 0 < header.width * header.height <= MAX_PIXELS
    try:
        assert header_size(decode(cut)) <= MAX_PIXELS
    except InvalidRequest as error:
        assert error.field == "picture"


def header_size(image):
    return image.width * image.height

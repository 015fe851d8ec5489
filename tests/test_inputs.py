"""Pictures that requests begin with: what comes in becomes a plain PNG, and stays while needed."""

import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui import inputs, pictures
from webui.errors import InvalidRequest, NotSaved
from webui.inputs import Inputs

MANY = 2**30


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noisy(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    bands = len(mode)
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, bands), np.uint8)
    return Image.fromarray(numbers[..., 0] if bands == 1 else numbers)


@pytest.fixture
def store(tmp_path):
    return Inputs(tmp_path / "inputs", MANY)


def back(store, kept):
    return inputs.read(store.folder, "init.picture", kept.sha256)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_png_comes_back_with_its_pixels_and_mode(store, mode) -> None:
    picture = noisy(21, 13, mode=mode)
    kept = store.add(file_of(picture))
    assert (kept.width, kept.height, kept.mode, kept.notes) == (21, 13, mode, ())
    assert (np.asarray(back(store, kept)) == np.asarray(picture)).all()
    assert store.size("init.picture", kept.sha256) == (21, 13)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF", "BMP"])
def test_each_format_becomes_a_png(store, kind) -> None:
    picture = Image.new("RGB", (40, 24), (200, 30, 90))
    kept = store.add(file_of(picture, kind))
    assert (kept.width, kept.height, kept.mode, kept.notes) == (40, 24, "RGB", ())
    assert np.abs(np.asarray(back(store, kept), int) - (200, 30, 90)).max() <= 4


def test_exif_turns_it_and_goes(store) -> None:
    picture = Image.new("RGB", (30, 20), "white")
    picture.paste("black", (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif[0x010E] = "where I live"
    kept = store.add(file_of(picture, "JPEG", exif=exif, quality=95))
    assert (kept.width, kept.height) == (20, 30)
    assert kept.notes == ("it was turned upright, as its EXIF says",)
    made = np.asarray(back(store, kept))
    assert made[:8].max() < 40 and made[12:].min() > 215  # what was left is above
    assert b"where I live" not in store.path(kept.sha256).read_bytes()


def test_nothing_but_pixels_is_kept(store) -> None:
    info = PngInfo()
    info.add_text("parameters", "a secret prompt")
    profile = b"\0" * 40 + b"profile"
    data = file_of(noisy(9, 9), pnginfo=info, icc_profile=profile, dpi=(300, 300))
    webp = file_of(noisy(9, 9), "WEBP", icc_profile=profile, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    for sent in (data, webp):
        kept = store.path(store.add(sent).sha256).read_bytes()
        kinds = [kind for kind, _ in chunks(kept)]
        assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def test_cmyk_palette_one_bit_and_sixteen_bits(store) -> None:
    cmyk = store.add(file_of(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert cmyk.mode == "RGB"
    assert cmyk.notes == ("its colours are for print (CMYK) and were converted",)
    red = np.asarray(back(store, cmyk))[4, 4]
    assert red[0] > 240 and red[1] < 15 and red[2] < 15
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    kept = store.add(file_of(palette))
    assert np.asarray(back(store, kept)).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    clear = store.add(file_of(palette, transparency=1))
    assert np.asarray(back(store, clear))[..., 3].tolist() == [[255, 0]] and clear.mode == "RGBA"
    bits = store.add(file_of(Image.new("1", (3, 2), 1)))
    assert bits.mode == "L" and np.asarray(back(store, bits)).tolist() == [[255] * 3] * 2
    deep = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    kept = store.add(file_of(deep))
    assert np.asarray(back(store, kept)).tolist() == [[0, 100, 255]]
    assert kept.notes == ("of 16 bits the upper 8 were taken",)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(store, kind) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **lossless)
    kept = store.add(data)
    assert kept.notes == ("only the first frame of the animation was taken",)
    assert np.abs(np.asarray(back(store, kept), int) - (255, 0, 0)).max() <= 4


def test_a_picture_that_is_opaque_has_no_alpha(store) -> None:
    assert store.add(file_of(Image.new("RGBA", (4, 4), (1, 2, 3, 255)))).mode == "RGB"
    assert store.add(file_of(Image.new("LA", (4, 4), (1, 2)))).mode == "RGBA"


def test_one_pixel_and_odd_sizes_are_kept(store) -> None:
    for size in ((1, 1), (1, 999), (513, 7)):
        kept = store.add(file_of(noisy(*size)))
        assert (kept.width, kept.height) == size


def test_the_same_picture_is_one_file_whatever_it_came_as(store) -> None:
    picture = noisy(30, 30)
    first = store.add(file_of(picture))
    info = PngInfo()
    info.add_text("parameters", "something")
    for again in (
        file_of(picture, pnginfo=info, compress_level=9),
        file_of(picture, "WEBP", lossless=True),
        file_of(picture, "BMP"),
        store.path(first.sha256).read_bytes(),
    ):
        assert store.add(again).sha256 == first.sha256
    assert [path.name for path in store.folder.glob("*.png")] == [f"{first.sha256}.png"]


def huge_png(width: int, height: int) -> bytes:
    """A small file that says that it is large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not a picture that can be read; these can: PNG, JPEG, WEBP, AVIF, GIF, BMP"),
        (b"<svg/>", "is not a picture"),
        (b"II*\0 a TIFF", "is not a picture"),
        (huge_png(2**16, 2**16), "has 65536 x 65536 pixels; at most 67108864 in all are read"),
        (huge_png(0, 9), "has no pixels"),
        (
            b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 2**20, -(2**20), 1, 24, 0),
            "pixels; at most",
        ),
        (huge_png(64, 64), "cannot be decoded"),
        (file_of(noisy(64, 64))[:3000], "cannot be decoded"),
        (b"\xff\xd8\xff\xe0", "is a JPEG that ends in its header"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(store, data, words) -> None:
    with pytest.raises(InvalidRequest) as caught:
        store.add(data)
    assert caught.value.field == "picture" and words in caught.value.problem
    assert not list(store.folder.glob("*.png"))


def test_what_is_too_large_is_refused_before_anything_is_decoded(store, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(pictures.pixels, "stored", lambda *given: seen.append(given))
    with pytest.raises(InvalidRequest):
        store.add(huge_png(10**5, 10**5))
    assert seen == []


# --- what is kept ------------------------------------------------------------------------------


def test_it_survives_a_restart_and_what_was_half_written_does_not(tmp_path) -> None:
    kept = Inputs(tmp_path, MANY).add(file_of(noisy(8, 8)))
    left = tmp_path / ".part" / "half.png"
    left.write_bytes(b"half")
    again = Inputs(tmp_path, MANY)
    assert again.size("init.picture", kept.sha256) == (8, 8)
    assert not left.exists()


@pytest.mark.parametrize("name", ["0" * 64, "", "../" + "0" * 61, "A" * 64, "0" * 63, "\0" * 64])
def test_what_is_not_there_is_refused_by_its_field(store, name) -> None:
    assert store.path(name) is None
    with pytest.raises(InvalidRequest, match="send it again") as caught:
        store.size("init.mask.picture", name)
    assert caught.value.field == "init.mask.picture"


def test_a_file_that_was_changed_is_refused_and_mended_by_sending_it_again(store) -> None:
    data = file_of(noisy(8, 8))
    kept = store.add(data)
    path = store.path(kept.sha256)
    good = path.read_bytes()
    path.write_bytes(good[:-20] + bytes(20))
    with pytest.raises(InvalidRequest, match="was changed; send it again"):
        back(store, kept)
    assert store.add(data).sha256 == kept.sha256
    assert path.read_bytes() == good


def filled(folder, quota, needed=frozenset()):
    """A store, and three pictures in it of about 30 kB, oldest first."""
    store = Inputs(folder, quota, lambda: needed)
    kept = [store.add(file_of(noisy(100, 100, seed))) for seed in range(3)]
    for age, each in enumerate(reversed(kept)):
        os.utime(store.path(each.sha256), (1000 - age, 1000 - age))
    return store, [each.sha256 for each in kept]


def test_the_oldest_goes_when_the_quota_is_full(tmp_path) -> None:
    store, (first, second, third) = filled(tmp_path, 3 * 30_500)
    new = store.add(file_of(noisy(100, 100, 9)))
    assert store.path(first) is None
    assert all(store.path(each) for each in (second, third, new.sha256))


def test_what_was_used_last_stays_longest(tmp_path) -> None:
    store, (first, second, _) = filled(tmp_path, 3 * 30_500)
    store.size("init.picture", first)
    store.add(file_of(noisy(100, 100, 9)))
    assert store.path(first) is not None and store.path(second) is None
    store, (_, _, third) = filled(tmp_path / "again", 3 * 30_500)
    os.utime(store.path(third), (1, 1))
    store.add(file_of(noisy(100, 100, 2)))  # the same once more
    store.add(file_of(noisy(100, 100, 9)))
    assert store.path(third) is not None


def test_what_jobs_name_never_goes(tmp_path) -> None:
    needed: set[str] = set()
    store, (first, second, third) = filled(tmp_path, 3 * 30_500, needed)
    needed |= {first, second}
    store.add(file_of(noisy(100, 100, 9)))
    assert store.path(first) and store.path(second) and not store.path(third)
    needed |= {path.stem for path in tmp_path.glob("*.png")}
    with pytest.raises(NotSaved, match="--input-quota"):
        store.add(file_of(noisy(100, 100, 10)))
    assert {path.stem for path in tmp_path.glob("*.png")} == needed


def test_nothing_goes_while_the_lock_is_held(tmp_path) -> None:
    store, (first, *_) = filled(tmp_path, 3 * 30_500)
    adding = threading.Thread(target=store.add, args=[file_of(noisy(100, 100, 9))])
    with store.lock:
        adding.start()
        adding.join(0.3)
        assert adding.is_alive() and store.path(first)
    adding.join(10)
    assert not adding.is_alive() and store.path(first) is None


def test_nor_if_it_is_taken_while_a_picture_is_written(tmp_path, monkeypatch) -> None:
    store, (first, *_) = filled(tmp_path, 3 * 30_500)
    written, held = threading.Event(), threading.Event()

    def slow(handle) -> None:
        written.set()
        assert held.wait(10)

    monkeypatch.setattr(os, "fsync", slow)
    adding = threading.Thread(target=store.add, args=[file_of(noisy(100, 100, 9))])
    adding.start()
    assert written.wait(10)
    with store.lock:
        held.set()
        adding.join(0.3)
        assert adding.is_alive() and store.path(first)
    adding.join(10)
    assert store.path(first) is None


def test_no_name_leads_out_of_the_folder(store) -> None:
    store.add(file_of(noisy(8, 8)))
    (store.folder.parent / "secret.png").write_bytes(file_of(noisy(8, 8)))
    assert store.path("../secret") is None
    with pytest.raises(InvalidRequest):
        store.size("init.picture", "../secret")


def test_many_at_once(tmp_path) -> None:
    store = Inputs(tmp_path, 5 * 30_500)
    files = [file_of(noisy(100, 100, seed % 4)) for seed in range(24)]
    found, threads = [], []
    for data in files:
        threads.append(threading.Thread(target=lambda data=data: found.append(store.add(data))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 24
    assert {path.stem for path in tmp_path.glob("*.png")} == {each.sha256 for each in found}
    for each in found:
        assert back(store, each).size == (100, 100)
    assert not list((tmp_path / ".part").iterdir())


def test_a_disk_that_refuses_is_said(tmp_path) -> None:
    (tmp_path / "inputs").write_text("a file in the way")
    with pytest.raises(NotSaved, match="could not be written"):
        Inputs(tmp_path / "inputs", MANY).add(file_of(noisy(8, 8)))

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_library import make_model
from webui.errors import NotSaved
from webui.events import Picture, Rendered, Saved
from webui.library import Library
from webui.metadata import parameters_text, read_parameters, record_text
from webui.outputs import Outputs, grid_shape, write_atomically
from webui.pictures import Format, decode, look
from webui.request import GenerationRequest, to_dict

REQUEST = GenerationRequest(model="toy", prompt="a \u732b", seed=7, width=64, height=64)
NOON = datetime(2026, 2, 3, 12, 34, 56)


def rendered(colour=(1, 2, 3), image=0, notes=()):
    picture = Picture(64, 64, bytes(colour) * 64 * 64)
    return Rendered(image, picture, REQUEST, seconds=1.5, peak_memory=99, notes=notes)


@pytest.fixture
def outputs(tmp_path):
    make_model(tmp_path / "models")
    return make_outputs(tmp_path)


def make_outputs(tmp_path, clock=lambda: NOON, picture_format=Format()):
    library = Library(tmp_path / "models")
    return Outputs(tmp_path / "out", library, "0.1.0", tmp_path / "unsaved", clock, picture_format)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_picture_is_saved_with_its_pixels_and_both_records(tmp_path, outputs):
    saved = outputs.save(rendered(notes=("VAE decoder: tiled",)))
    assert re.fullmatch(r"2026-02-03/123456-7-[0-9a-f]{8}\.png", saved.path)
    assert saved == Saved(0, saved.path, REQUEST, 1.5, 99, 64, 64)
    assert files(tmp_path / "out") == [saved.path]
    model_hash = Library(tmp_path / "models").hash("toy")
    with Image.open(tmp_path / "out" / saved.path) as image:
        assert image.convert("RGB").tobytes() == rendered().picture.rgb
        notes = ("VAE decoder: tiled",)
        assert image.text["parameters"] == parameters_text(REQUEST, model_hash, "0.1.0", notes)
        assert json.loads(image.text["darkroom"]) == {
            "request": to_dict(REQUEST),
            "version": "0.1.0",
            "model_hash": model_hash,
        }


@pytest.mark.parametrize(
    ("name", "suffix"), [("png", "png"), ("jpeg", "png"), ("webp", "webp"), ("avif", "avif")]
)
def test_what_is_transparent_stays_so_also_where_jpegs_are_wanted(tmp_path, name, suffix):
    make_model(tmp_path / "models")
    outputs = make_outputs(tmp_path, picture_format=Format(name, 95))
    alpha = bytes([0] * 2048 + [255] * 2048)
    event = rendered((200, 30, 40))
    saved = outputs.save(replace(event, picture=replace(event.picture, alpha=alpha)))
    assert saved.path.endswith(f".{suffix}")
    data = (tmp_path / "out" / saved.path).read_bytes()
    assert json.loads(look(data).text("darkroom"))["request"]["seed"] == 7
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGBA"
        seen = np.asarray(image).astype(int)
    assert (np.abs(seen[..., 3].ravel() - np.frombuffer(alpha, np.uint8).astype(int)) <= 2).all()
    assert np.abs(seen[40, 40, :3] - (200, 30, 40)).max() <= 4


@pytest.mark.parametrize(("name", "suffix"), [("jpeg", "jpg"), ("webp", "webp"), ("avif", "avif")])
def test_other_formats_carry_both_records_too_and_make_a_grid(tmp_path, name, suffix):
    make_model(tmp_path / "models")
    outputs = make_outputs(tmp_path, picture_format=Format(name, 95))
    colours = [(200, 30, 40), (20, 120, 220)]
    saved = [outputs.save(rendered(colour, image)) for image, colour in enumerate(colours)]
    assert re.fullmatch(rf"2026-02-03/123456-7-[0-9a-f]{{8}}\.{suffix}", saved[0].path)
    model_hash = Library(tmp_path / "models").hash("toy")
    text = parameters_text(REQUEST, model_hash, "0.1.0")
    header = look((tmp_path / "out" / saved[0].path).read_bytes())
    assert header.format == name.upper()
    assert header.text("darkroom") == record_text(REQUEST, model_hash, "0.1.0")
    assert header.parameters == read_parameters(tmp_path / "out" / saved[0].path) == text
    grid = outputs.save_grid(REQUEST, saved)
    assert grid.path.endswith(f".{suffix}") and (grid.width, grid.height) == (128, 64)
    sheet = decode((tmp_path / "out" / grid.path).read_bytes())
    for x, colour in ((32, colours[0]), (96, colours[1])):
        assert sheet.getpixel((x, 32)) == pytest.approx(colour, abs=6)


def test_a_picture_that_cannot_be_saved_is_counted_whatever_its_format(tmp_path):
    make_model(tmp_path / "models")
    (tmp_path / "out").write_text("in the way")
    outputs = make_outputs(tmp_path, picture_format=Format("webp"))
    for _ in range(2):
        with pytest.raises(NotSaved) as raised:
            outputs.save(rendered())
        assert re.search(r"it is kept as .*\.webp", str(raised.value))
    assert outputs.notices() == [
        f"2 pictures that could not be saved lie in {tmp_path / 'unsaved'}"
    ]


def test_pictures_of_the_same_second_and_seed_have_names_of_their_own(tmp_path, outputs):
    paths = {outputs.save(rendered()).path for _ in range(20)}
    assert len(paths) == 20 and files(tmp_path / "out") == sorted(paths)


def test_a_picture_is_saved_when_the_folders_vanished_meanwhile(tmp_path, outputs):
    outputs.save(rendered())
    for path in sorted((tmp_path / "out").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "out").rmdir()
    saved = outputs.save(rendered())
    assert files(tmp_path / "out") == [saved.path]


def test_a_picture_of_a_model_that_is_gone_is_saved_without_its_hash(tmp_path):
    saved = make_outputs(tmp_path).save(rendered())
    with Image.open(tmp_path / "out" / saved.path) as image:
        assert "Model hash" not in image.text["parameters"]


@pytest.mark.parametrize("breaks", range(4))
def test_what_cannot_be_written_is_kept_elsewhere_and_leaves_nothing_half(
    tmp_path, outputs, monkeypatch, breaks
):
    """The k-th call that touches the disk fails, for every k that a save has."""
    calls = 0

    def failing(real):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == breaks + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **kwargs)

        return call

    def no_links(*_):
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(Path, "mkdir", failing(Path.mkdir))
    monkeypatch.setattr(Path, "replace", failing(Path.replace))
    with pytest.raises(NotSaved) as caught:
        outputs.save(rendered())
    kept = files(tmp_path / "unsaved")
    assert len(kept) == 1
    assert str(caught.value) == (
        f"the picture could not be written to {tmp_path / 'out' / '2026-02-03'}: No space left on "
        f"device; it is kept as {tmp_path / 'unsaved' / kept[0]}"
    )
    for path in [tmp_path / "unsaved" / kept[0], *(tmp_path / "out").glob("2*/*.png")]:
        with Image.open(path) as image:
            assert image.convert("RGB").tobytes() == rendered().picture.rgb
    assert list((tmp_path / "out" / ".part").glob("*")) == []
    assert outputs.save(rendered()).image == 0  # and the next one is saved again


@pytest.mark.parametrize("breaks", [2, 3])
def test_a_picture_that_has_its_name_is_saved_also_if_the_folder_cannot_be_forced_to_the_disk(
    tmp_path, outputs, monkeypatch, breaks
):
    calls, real = [], os.fsync

    def failing(handle):
        calls.append(handle)
        if len(calls) == breaks:
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    saved = outputs.save(rendered())
    assert len(calls) == breaks or breaks == 2
    assert files(tmp_path / "out") == [saved.path]
    assert files(tmp_path) == sorted([f"out/{saved.path}", *_model_files(tmp_path)])


def _model_files(tmp_path):
    return [f"models/{each}" for each in files(tmp_path / "models")]


def test_an_unfinished_file_that_cannot_be_deleted_does_not_make_the_picture_unsaved(
    tmp_path, outputs, monkeypatch
):
    def refused(path, missing_ok=False):
        raise PermissionError("in use")

    monkeypatch.setattr(Path, "unlink", refused)
    assert (tmp_path / "out" / outputs.save(rendered()).path).is_file()


def test_only_what_a_crash_left_long_ago_is_swept(tmp_path):
    part = tmp_path / "out" / ".part"
    part.mkdir(parents=True)
    for name, age in (("old.png", 3700), ("new.png", 3500)):  # another server may be writing it
        (part / name).write_bytes(b"x")
        os.utime(part / name, (time.time() - age,) * 2)
    make_outputs(tmp_path)
    assert files(part) == ["new.png"]


def test_pictures_that_could_not_be_saved_are_told_of(tmp_path, outputs):
    assert outputs.notices() == []
    (tmp_path / "out" / "2026-02-03").write_text("")
    for _ in range(2):
        with pytest.raises(NotSaved):
            outputs.save(rendered())
    assert make_outputs(tmp_path).notices() == [
        f"2 pictures that could not be saved lie in {tmp_path / 'unsaved'}"
    ]


def test_a_folder_replaced_by_a_file_is_named(tmp_path, outputs):
    (tmp_path / "out" / "2026-02-03").write_text("")
    with pytest.raises(NotSaved, match=r"could not be written to .*2026-02-03: .*it is kept as"):
        outputs.save(rendered())


def test_nowhere_to_keep_it_is_said(tmp_path, outputs):
    (tmp_path / "out" / "2026-02-03").write_text("")
    (tmp_path / "unsaved").write_text("")
    with pytest.raises(NotSaved, match="it is lost, because"):
        outputs.save(rendered())


def test_nothing_is_ever_overwritten(tmp_path):
    (tmp_path / "x.png").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "x.png", b"new", tmp_path / ".part")
    assert files(tmp_path) == ["x.png"] and (tmp_path / "x.png").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("pictures", "shape"),
    [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 2)), (5, (2, 3)), (7, (3, 3)), (12, (3, 4))],
)
def test_the_grid_is_laid_out_as_a1111_does(pictures, shape):
    assert grid_shape(pictures) == shape


def test_a_grid_shows_all_pictures_in_order_under_the_whole_request(tmp_path, outputs):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    pictures = [outputs.save(rendered(each, image)) for image, each in enumerate(colours)]
    request = GenerationRequest(model="toy", prompt="p", seed=7, width=64, height=64, images=3)
    grid = outputs.save_grid(request, list(reversed(pictures)))
    assert re.fullmatch(r"2026-02-03/123456-grid-[0-9a-f]{8}\.png", grid.path)
    assert grid == Saved(-1, grid.path, request, 4.5, 99, 128, 128)
    with Image.open(tmp_path / "out" / grid.path) as image:
        places = [(10, 10), (74, 10), (10, 74), (74, 74)]
        assert [image.getpixel(each) for each in places] == [*colours, (0, 0, 0)]
        assert "Seed: 7" in image.text["parameters"]
        assert json.loads(image.text["darkroom"])["request"]["images"] == 3


def test_a_picture_that_is_gone_or_broken_leaves_its_place_in_the_grid_black(tmp_path, outputs):
    pictures = [outputs.save(rendered((250, 250, 250), image)) for image in range(4)]
    (tmp_path / "out" / pictures[0].path).unlink()
    (tmp_path / "out" / pictures[1].path).write_bytes(b"broken")
    other = io.BytesIO()
    Image.new("RGB", (5000, 5000)).save(other, "PNG")
    (tmp_path / "out" / pictures[2].path).write_bytes(other.getvalue())
    grid = outputs.save_grid(REQUEST, pictures)
    with Image.open(tmp_path / "out" / grid.path) as image:
        assert image.size == (128, 128)
        assert [image.getpixel(each)[0] for each in [(9, 9), (70, 9), (9, 70), (70, 70)]] == [
            0, 0, 0, 250,
        ]  # fmt: skip


def test_a_huge_grid_is_left_out(outputs):
    huge = [Saved(image, "x", REQUEST, 0, 0, 2048, 2048) for image in range(100)]
    assert outputs.save_grid(REQUEST, huge) is None


SAVER = """
import sys
from pathlib import Path
from tests.test_outputs import make_outputs, rendered
from dataclasses import replace
from datetime import datetime
outputs = make_outputs(Path(sys.argv[1]), datetime.now)
print("begun", flush=True)
while True:
    print(outputs.save(rendered()).path, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_at_any_moment_every_named_file_is_whole_and_the_rest_is_swept(tmp_path):
    make_model(tmp_path / "models")
    acknowledged = set()
    for delay in (0.01, 0.033, 0.057, 0.081, 0.1):
        command = [sys.executable, "-c", SAVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as saver:
            assert saver.stdout is not None and saver.stdout.readline() == "begun\n"
            time.sleep(delay)
            saver.send_signal(signal.SIGKILL)
            acknowledged |= {line.strip() for line in saver.stdout if line.endswith("\n")}
    found = {each for each in files(tmp_path / "out") if not each.startswith(".part")}
    assert acknowledged and acknowledged <= found
    for path in found:
        with Image.open(tmp_path / "out" / path) as image:
            image.load()
    for left in (tmp_path / "out" / ".part").iterdir():
        os.utime(left, (0, 0))
    make_outputs(tmp_path)
    assert files(tmp_path / "out" / ".part") == []

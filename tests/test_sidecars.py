"""What lies beside a file of weights: pictures, and words that may have come from anywhere."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from webui.sidecars import Previews, Sidecars
from webui.sidecars.texts import Words


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "ink v1.5.safetensors"
    path.write_bytes(b"")
    return path


def beside(path: Path, end: str, content: object) -> Path:
    made = path.with_name("ink v1.5" + end)
    made.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return made


def words(path: Path) -> Words:
    return Sidecars().of([path])[path].words


def test_what_a1111_and_civitai_write_is_read_and_the_users_own_words_come_first(weights):
    beside(
        weights,
        ".json",
        {
            "description": "Pen and ink.\r\nHatched.",
            "activation text": "inkstyle, hatching, inkstyle",
            "preferred weight": 0.8,
            "negative text": "colour",
            "notes": "at 512",
        },
    )
    beside(weights, ".civitai.info", {"trainedWords": ["other"], "description": "<p>Other</p>"})
    beside(weights, ".txt", b"\xef\xbb\xbfA text")
    assert words(weights) == Words(
        "Pen and ink.\nHatched.", ("inkstyle", "hatching"), "colour", 0.8, "at 512"
    )
    weights.with_name("ink v1.5.json").unlink()
    assert words(weights) == Words("Other", ("other",))
    weights.with_name("ink v1.5.civitai.info").unlink()
    assert words(weights) == Words("A text")


def test_a_text_that_changes_is_read_again(weights):
    sidecars = Sidecars()
    beside(weights, ".txt", b"one")
    assert sidecars.of([weights])[weights].words.description == "one"
    beside(weights, ".txt", b"another one")
    assert sidecars.of([weights])[weights].words.description == "another one"


@pytest.mark.parametrize(
    ("end", "content", "read"),
    [
        (".json", b"[" * 100_000, Words()),
        (".json", [1], Words()),
        (".json", {"description": 5, "activation text": {"a": 1}, "notes": None}, Words()),
        (".json", {"preferred weight": 0}, Words()),
        (".json", b'{"preferred weight": NaN}', Words()),
        (".json", b'{"preferred weight": 1e999, "notes": "x"}', Words(notes="x")),
        (".json", {"preferred weight": True}, Words()),
        (".json", {"preferred weight": 11}, Words()),
        (".json", {"notes": "x" * 2**20}, Words()),  # too large a file
        (".json", {"notes": "a\u202eb\u0000c"}, Words(notes="abc")),
        (".txt", b"\xff\xfe\x00", Words("\ufffd\ufffd")),
        (".txt", b"x" * 3000, Words("x" * 2000)),
        (".txt", b"x" * (2**20 + 1), Words()),  # this too
        (".civitai.info", {"trainedWords": "no list"}, Words()),
        (".civitai.info", {"trainedWords": [1, ["a"], "b" * 300]}, Words("", ("b" * 200,))),
        (".civitai.info", {"description": "<b>a</b> &lt;c&gt;<br>d"}, Words("a <c>\nd")),
        (".civitai.info", {"model": {"description": "<p>of the model</p>"}}, Words("of the model")),
    ],
)
def test_nothing_that_stands_there_is_believed(weights, end, content, read):
    beside(weights, end, content)
    assert words(weights) == read


def test_many_words_are_cut(weights):
    beside(weights, ".json", {"activation text": ",".join(map(str, range(100)))})
    assert words(weights).trigger_words == tuple(map(str, range(20)))


def test_links_that_lead_elsewhere_and_pipes_are_no_texts(weights, tmp_path):
    secret = tmp_path / "secret" / "words.txt"
    secret.parent.mkdir()
    secret.write_text("secret")
    weights.with_name("ink v1.5.txt").symlink_to(secret)
    os.mkfifo(weights.with_name("ink v1.5.json"))  # would be waited for
    assert words(weights) == Words()
    weights.with_name("ink v1.5.txt").unlink()
    beside(weights, " own.txt", b"own")
    weights.with_name("ink v1.5.txt").symlink_to("ink v1.5 own.txt")
    assert words(weights) == Words("own")


def test_the_picture_is_found_by_the_files_name_or_the_models_folders(weights, tmp_path):
    folder = tmp_path / "model v2.1"
    folder.mkdir()
    for name in ("ink v1.5.jpg", "INK v1.5.preview.png", "model v2.1.webp", "model v2.png", "ink"):
        (tmp_path / name).write_bytes(b"x")
    found = Sidecars().of([weights, folder, tmp_path / "none.safetensors"])
    assert [each.picture and each.picture.name for each in found.values()] == [
        "INK v1.5.preview.png", "model v2.1.webp", None,
    ]  # fmt: skip
    (tmp_path / "model v2.1.webp").write_bytes(b"xy")
    again = Sidecars().of([folder])[folder]
    assert again.version != found[folder].version


def test_a_preview_is_made_anew_small_and_without_what_it_carried(tmp_path):
    path = tmp_path / "x.png"
    exif = Image.Exif()
    exif[0x010E] = "secret"
    Image.new("RGBA", (900, 1800), (200, 30, 40, 255)).save(path, exif=exif)
    made = Previews().jpeg(path)
    with Image.open(io.BytesIO(made)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (224, 448), {})
        assert image.getpixel((100, 100)) == pytest.approx((200, 30, 40), abs=3)
    assert b"secret" not in made


def test_a_preview_is_made_again_when_the_picture_is_another(tmp_path):
    path, previews = tmp_path / "x.png", Previews()
    Image.new("RGB", (8, 8), "red").save(path)
    first = previews.jpeg(path)
    assert previews.jpeg(path) is first  # kept
    Image.new("RGB", (16, 8), "blue").save(path)
    assert previews.jpeg(path) not in (None, first)


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n" + b"\0" * 50],
)
def test_what_is_no_picture_is_none(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert Previews().jpeg(path) is None
    assert Previews().jpeg(tmp_path) is None
    assert Previews().jpeg(tmp_path / "not there.png") is None


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    path = tmp_path / "x.png"
    Image.new("1", (8192, 4097)).save(path)
    assert Previews().jpeg(path) is None

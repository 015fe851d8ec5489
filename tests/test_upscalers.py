"""Upscalers' files: what of them is listed, and what is refused with which reason."""

import json
import math
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tests.upscaler_files import compact, esrgan, first_code, put, second_code
from webui.upscalers import FOLDERS, SPANDREL, Upscalers


def written(path, header, data=b""):
    """A file with this header, JSON or bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def only(models):
    """The one file that is listed."""
    (file,) = Upscalers(models).files()
    return file


@pytest.mark.parametrize("names", [dict, second_code, first_code])
@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ({"ups": 0}, 1),
        ({"ups": 1}, 2),
        ({"ups": 2}, 4),
        ({"ups": 3}, 8),
        ({"ups": 2, "unshuffle": 2}, 2),
        ({"ups": 2, "unshuffle": 4}, 1),
        ({"blocks": 3, "features": 6, "growth": 3}, 4),
    ],
)
def test_an_esrgan_is_known_by_its_names_and_shapes(tmp_path, names, values, scale):
    put(tmp_path, "one", names(esrgan(**values)))
    file = only(tmp_path)
    assert (file.name, file.problem, file.scale) == ("one", None, scale)
    layout = file.layout
    assert (layout.architecture, layout.blocks, layout.features, layout.growth) == (
        "ESRGAN", values.get("blocks", 1), values.get("features", 4), values.get("growth", 2),
    )  # fmt: skip
    # each of our names stands for another tensor of the file
    assert sorted(layout.names.values()) == sorted(names(esrgan(**values)))
    assert sorted(layout.names) == sorted(esrgan(**values))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("wrapper", ["", "params_ema.", "params.", "module."])
def test_a_compact_is_known_also_inside_a_wrapper(tmp_path, scale, wrapper):
    weights = compact(scale=scale, blocks=5)
    put(tmp_path, "two", {wrapper + name: each for name, each in weights.items()})
    file = only(tmp_path)
    assert (file.problem, file.layout.architecture) == (None, "Compact")
    assert (file.scale, file.layout.blocks) == (scale, 5)


def test_all_folders_are_looked_into_and_names_told_apart(tmp_path):
    for folder in FOLDERS:
        put(tmp_path, f"in-{folder}", esrgan(), folder)
    put(tmp_path, "deep", compact(), "upscale_models/mine")
    put(tmp_path, "twice", compact(scale=2), "ESRGAN")
    put(tmp_path, "Twice", compact(scale=4), "upscalers")
    put(tmp_path, "hidden", esrgan(), "ESRGAN/.git")
    (tmp_path / "ESRGAN" / "README.md").write_text("no upscaler")
    upscalers = Upscalers(tmp_path)
    usable = {each.name: each.scale for each in upscalers.files() if each.problem is None}
    assert usable == {**{f"in-{folder}": 4 for folder in FOLDERS}, "deep": 4, "twice": 2}
    (taken,) = [each for each in upscalers.files() if each.problem is not None]
    assert taken.name == "Twice"
    assert taken.problem == "the name is taken by ESRGAN/twice.safetensors; rename one of them"
    assert upscalers.find("TWICE").scale == 2
    assert upscalers.find("nobody") is None


def test_of_a_name_the_usable_file_is_meant_and_else_the_one_that_is_written_so(tmp_path):
    put(tmp_path, "one", compact(scale=2), "RealESRGAN")
    (tmp_path / "ESRGAN").mkdir()
    for name in ("ONE", "TWO", "two"):
        (tmp_path / "ESRGAN" / f"{name}.safetensors").write_bytes(b"damaged")
    upscalers = Upscalers(tmp_path)
    assert upscalers.find("ONE").path.parent.name == "RealESRGAN"
    for name in ("TWO", "two"):
        found = upscalers.find(name)
        assert found.problem is not None and found.path.stem == name


def test_a_changed_file_is_read_again(tmp_path):
    upscalers = Upscalers(tmp_path)
    path = put(tmp_path, "one", esrgan(ups=2))
    assert upscalers.find("one").scale == 4
    put(tmp_path, "one", esrgan(ups=1))
    assert upscalers.find("one").scale == 2
    path.unlink()
    assert upscalers.files() == []


def test_what_is_of_another_kind_needs_spandrel(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    put(tmp_path, "dat", {"layers.0.blocks.0.attn.qkv.weight": np.zeros((3, 3), "f4")})
    file = only(tmp_path)
    assert (file.layout, file.scale, file.problem) == (None, None, SPANDREL)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert only(tmp_path).problem is None


# --- hostile files ------------------------------------------------------------------------------

F4 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def damaged(change):
    """A good ESRGAN with something changed in its weights."""

    def make(path):
        weights = esrgan()
        change(weights)
        put(path.parents[1], path.stem, weights)

    return make


def cut(path):
    put(path.parents[1], path.stem, esrgan())
    path.write_bytes(path.read_bytes()[:-1])


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"model.0.weight": 0}))


def doubled(path):
    """Good, and something else behind it."""
    put(path.parents[1], path.stem, esrgan())
    path.write_bytes(path.read_bytes() + b"PK\x05\x06" + bytes(18))


def many(path):
    names = {f"a{k}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for k in range(40_000)}
    written(path, names)


def huge(path):
    """Shapes that would take a terabyte, without a byte behind them."""
    side = 2**20
    place = [0, 4 * side * 27]
    written(
        path,
        {"conv_first.weight": {"dtype": "F32", "shape": [side, 3, 3, 3], "data_offsets": place}},
    )


def shaped(**shapes):
    """Tensors of these shapes, of zeros, one behind the other; "__" stands for a dot."""

    def make(path):
        header, end = {}, 0
        for name, shape in shapes.items():
            start, end = end, end + 4 * math.prod(shape)
            header[name.replace("__", ".")] = {
                "dtype": "F32", "shape": shape, "data_offsets": [start, end],
            }  # fmt: skip
        written(path, header, bytes(end))

    return make


COMPACT = {"body__0__weight": [3, 3, 3, 3], "body__1__weight": [3]}

HOSTILE = {
    "empty": (lambda path: path.write_bytes(b""), "it is no safetensors file"),
    "seven bytes": (lambda path: path.write_bytes(b"\0" * 7), "it is no safetensors file"),
    "length 2**63": (
        lambda path: path.write_bytes(struct.pack("<Q", 2**63) + b"{}"), "its header does not fit",
    ),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "a pickle under"),
    "zip": (zipped, "a pickle under"),
    "no JSON": (lambda path: written(path, b"{" * 1000), "not valid JSON"),
    "deep JSON": (lambda path: written(path, b'{"a":' * 100_000), "not valid JSON"),
    "a list": (lambda path: written(path, [F4], bytes(4)), "no JSON object"),
    "cut": (cut, "it is cut: 1 bytes of its tensors are missing"),
    "more behind": (doubled, "22 bytes that are no tensors stand at its end"),
    "overlap": (
        lambda path: written(path, {"a": F4, "b": F4}, bytes(4)), "tensors overlap or leave gaps",
    ),
    "hole": (
        lambda path: written(path, {"a": {**F4, "data_offsets": [4, 8]}}, bytes(8)),
        "tensors overlap or leave gaps",
    ),
    "shape": (
        lambda path: written(path, {"a": {**F4, "shape": [2]}}, bytes(4)),
        "'a' does not have as many bytes as its shape says",
    ),
    "negative": (
        lambda path: written(path, {"a": {**F4, "shape": [-1]}}, bytes(4)), "of 'a' cannot be",
    ),
    "type": (
        lambda path: written(path, {"a": {**F4, "dtype": "X9"}}, bytes(4)), "the type 'X9'",
    ),
    "no object": (lambda path: written(path, {"a": 7}), "does not say what 'a' is"),
    "many tensors": (many, "it holds 40000 tensors; at most 20000 are read"),
    "huge": (huge, "it is cut: 113246208 bytes of its tensors are missing"),
    "a folder": (lambda path: path.mkdir(), None),
    "a pipe": (os.mkfifo, "it is not a file"),
    "a link out": (
        lambda path: path.symlink_to("/etc/passwd"), "a link that leads out",
    ),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "leads out"),
    "a weight missing": (
        damaged(lambda weights: weights.pop("body.0.rdb2.conv3.bias")),
        "1 of its weights are missing, body.0.rdb2.conv3.bias for one",
    ),
    "a weight more": (
        damaged(lambda weights: weights.update({"evil\n": np.zeros(1, "f4")})),
        "it has 1 weights that ESRGAN has not, 'evil\\n' for one",
    ),
    "wrong shape": (
        damaged(lambda weights: weights.update({"conv_hr.bias": np.zeros(9, "f4")})),
        "conv_hr.bias has the shape (9,); (4,) would fit",
    ),
    "whole numbers": (
        damaged(lambda weights: weights.update({"conv_hr.bias": np.zeros(4, "i4")})),
        "conv_hr.bias is I32, not floating-point numbers",
    ),
    "grey": (
        damaged(lambda weights: weights.update({"conv_first.weight": np.zeros((4, 1, 3, 3))})),
        "it takes pictures of 1 channels",
    ),
    "many doublings": (
        damaged(
            lambda weights: weights.update(
                {f"conv_up{k}.weight": np.zeros((4, 4, 3, 3), "f4") for k in range(3, 12)}
            )
        ),
        "it doubles pictures 11 times",
    ),
    "ESRGAN's names as vectors": (
        damaged(lambda weights: weights.update({"conv_first.weight": np.zeros(4, "f4")})),
        "conv_first.weight has the shape (4,)",
    ),
    "a number of 5000 digits": (
        shaped(**{f"model__{'9' * 5000}__weight": [1]}), "neither ESRGAN nor Real-ESRGAN",
    ),
    "a Compact's of 5000 digits": (
        shaped(**COMPACT, **{f"body__{'9' * 5000}__bias": [1]}), "of its weights are missing",
    ),
    "a Compact of half a million blocks": (
        shaped(**COMPACT, body__999999__bias=[3], body__999999__weight=[3, 3, 3, 3]),
        "it has 499998 blocks",
    ),
    "a Compact without a bias": (shaped(**COMPACT), "of its weights are missing"),
    "no channels between": (
        damaged(
            lambda weights: weights.update({"body.0.rdb1.conv1.weight": np.zeros((0, 4, 3, 3))})
        ),
        "it has 0 channels inside",
    ),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_listed_with_its_problem_and_breaks_nothing(tmp_path, kind):
    make, reason = HOSTILE[kind]
    put(tmp_path, "good", esrgan())
    make(tmp_path / "ESRGAN" / "bad.safetensors")
    files = {each.name: each for each in Upscalers(tmp_path).files()}
    assert files["good"].problem is None
    if reason is None:  # a folder is looked into, and holds nothing
        assert set(files) == {"good"}
    else:
        assert reason in files["bad"].problem
        assert files["bad"].problem.isprintable()
        assert files["bad"].layout is None


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".pkl", ".PTH"])
def test_a_pickle_is_refused_unread_with_the_way_out(tmp_path, suffix):
    path = tmp_path / "RealESRGAN" / f"4x_real{suffix}"
    path.parent.mkdir()
    path.write_bytes(b"never read")
    path.chmod(0)
    file = only(tmp_path)
    assert file.name == "4x_real"
    assert f"{suffix.lower()} files are pickles, which can run code" in file.problem
    assert "docs/upscaling.md" in file.problem


def test_a_name_that_cannot_be_shown_is_escaped(tmp_path):
    put(tmp_path, "evil\x1b[2J", esrgan())
    file = only(tmp_path)
    assert file.name == "evil\\x1b[2J"
    assert file.problem == "its name has signs that cannot be shown; rename it"

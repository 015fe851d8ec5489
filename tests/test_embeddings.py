"""models/embeddings/ on disk: what is listed, what can be used, and what is wrong with the rest."""

import hashlib
import os

import pytest

from tests.embedding_files import raw, vectors, write
from webui.embedding_header import Part
from webui.embeddings import Embeddings


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "embeddings"


@pytest.fixture
def embeddings(tmp_path):
    return Embeddings(tmp_path / "models")


def problem(embeddings):
    (entry,) = embeddings.entries()
    return entry.problem


def tensor(shape, dtype="F32", offsets=None, size=4):
    count = 1
    for side in shape:
        count *= side
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets or [0, count * size]}


# --- what is there --------------------------------------------------------------------------------


def test_no_folder_is_no_embeddings(embeddings):
    assert embeddings.entries() == []


@pytest.mark.parametrize(
    ("tensors", "parts"),
    [
        ({"emb_params": vectors(3, 8)}, {"": Part("emb_params", 3, 8)}),
        (
            {"emb_params": vectors(3, 8), "step": vectors(1, 1)},
            {"": Part("emb_params", 3, 8)},
        ),
        ({"<gta5-artwork>": vectors(1, 8)[0]}, {"": Part("<gta5-artwork>", 1, 8)}),
        ({"anything": vectors(2, 8)}, {"": Part("anything", 2, 8)}),
        (
            {"string_to_param.*": vectors(2, 8), "string_to_token.*": vectors(1, 1)},
            {"": Part("string_to_param.*", 2, 8)},
        ),
        (
            {"clip_l": vectors(2, 8), "clip_g": vectors(2, 12)},
            {"clip_l": Part("clip_l", 2, 8), "clip_g": Part("clip_g", 2, 12)},
        ),
        ({"clip_l": vectors(2, 8)}, {"clip_l": Part("clip_l", 2, 8)}),
    ],
)
def test_every_layout_is_known(folder, embeddings, tensors, parts):
    write(folder / "gold.safetensors", tensors, {"format": "pt"})
    (entry,) = embeddings.entries()
    assert (entry.name, entry.parts, entry.problem) == ("gold", parts, None)
    assert entry.vectors == next(iter(parts.values())).vectors
    assert entry.size_bytes == (folder / "gold.safetensors").stat().st_size


def test_half_precision_counts_its_own_bytes(folder, embeddings):
    for dtype, size in (("F16", 2), ("BF16", 2), ("F64", 8)):
        header = {"emb_params": tensor([2, 4], dtype, size=size)}
        raw(folder / f"{dtype}.safetensors", header, bytes(8 * size))
    assert [(each.vectors, each.problem) for each in embeddings.entries()] == [(2, None)] * 3


def test_folders_in_the_folder_are_read_and_hidden_ones_are_not(folder, embeddings):
    write(folder / "style" / "ink.safetensors", {"emb_params": vectors(1, 8)})
    write(folder / "Gold.SAFETENSORS", {"emb_params": vectors(1, 8)})
    write(folder / ".part" / "half.safetensors", {"emb_params": vectors(1, 8)})
    write(folder / ".hidden.safetensors", {"emb_params": vectors(1, 8)})
    (folder / "ink.preview.png").write_bytes(b"")
    assert [each.name for each in embeddings.entries()] == ["Gold", "ink"]


def test_what_comes_goes_or_changes_is_seen_at_once(folder, embeddings):
    gold = write(folder / "gold.safetensors", {"emb_params": vectors(1, 8)})
    (first,) = embeddings.entries()
    assert embeddings.hash(first) == hashlib.sha256(gold.read_bytes()).hexdigest()
    write(gold, {"emb_params": vectors(2, 8)})
    (second,) = embeddings.entries()
    assert (first.vectors, second.vectors) == (1, 2)
    assert embeddings.hash(second) == hashlib.sha256(gold.read_bytes()).hexdigest()
    gold.unlink()
    assert embeddings.entries() == []


# --- which model can use it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "widths", "reason"),
    [
        ({"emb_params": vectors(2, 8)}, {"clip_l": 8}, None),
        ({"clip_l": vectors(2, 8)}, {"clip_l": 8}, None),
        ({"clip_l": vectors(2, 8), "clip_g": vectors(2, 9)}, {"clip_l": 8, "clip_g": 9}, None),
        (
            {"emb_params": vectors(2, 12)},
            {"clip_l": 8},
            "its vectors are 12 wide; this model's are 8",
        ),
        (
            {"clip_l": vectors(2, 8), "clip_g": vectors(2, 9)},
            {"clip_l": 8},
            "its vectors are 8 (clip_l) and 9 (clip_g) wide; this model's are 8",
        ),
        (
            {"emb_params": vectors(2, 8)},
            {"clip_l": 8, "clip_g": 9},
            "its vectors are 8 wide; this model's are 8 (clip_l) and 9 (clip_g)",
        ),
    ],
)
def test_a_model_takes_vectors_of_its_own_width(folder, embeddings, tensors, widths, reason):
    write(folder / "gold.safetensors", tensors)
    (entry,) = embeddings.entries()
    assert entry.misfit(widths) == reason
    assert list(embeddings.usable(widths)) == ([] if reason else ["gold"])


def test_what_a_model_cannot_use_is_told_unless_the_name_is_another_ones(folder, embeddings):
    write(folder / "gold.safetensors", {"emb_params": vectors(1, 8)})
    write(folder / "inky.safetensors", {"emb_params": vectors(1, 9)})
    for name in ("Gold.pt", "z/gold.pt", "pickled.bin"):  # two of them were converted
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    told = embeddings.unusable({"clip_l": 8})
    assert told.keys() == {"inky", "pickled"}
    assert told["inky"] == "its vectors are 9 wide; this model's are 8"
    assert "are pickles" in told["pickled"]


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt", ".PT"])
def test_a_pickle_is_refused_with_what_to_do(folder, embeddings, suffix):
    folder.mkdir(parents=True)
    (folder / f"gold{suffix}").write_bytes(b"\x80\x02cos\nsystem\n.")
    assert problem(embeddings) == (
        f"{suffix.lower()} files are pickles, which can run code, so they are not read; "
        "docs/embeddings.md shows how to convert it to safetensors"
    )


SHAPE = "its tensor is neither a vector nor a list of vectors"
CANNOT_BE = "the shape of 'emb_params' cannot be"
GAPS = "its tensors overlap or leave gaps, so it is no safetensors file"
NO_JSON = "its header is not valid JSON, so it is no safetensors file"
UNSAID = "its header does not say what 'emb_params' is"
TWO = "it holds 2 tensors, and none is called emb_params"
UNEQUAL = "it has a different number of vectors for each text encoder"


def in_turn(*tensors):
    """Each behind the one before."""
    end = 0
    for each in tensors:
        start, stop = each["data_offsets"]
        yield each | {"data_offsets": [end, end := end + stop - start]}


@pytest.mark.parametrize(
    ("header", "size", "said"),
    [
        (b"not json", 0, NO_JSON),
        (b"[" * 100_000, 0, NO_JSON),
        (b'{"a": ' + b"9" * 5000 + b"}", 0, NO_JSON),
        (b"[]", 0, "its header is no JSON object, so it is no safetensors file"),
        ({}, 0, "it holds 0 tensors, and none is called emb_params"),
        (dict(zip("ab", in_turn(tensor([1, 8]), tensor([1, 8])), strict=True)), 64, TWO),
        (
            dict(zip(map(str, range(65)), in_turn(*[tensor([1, 8])] * 65), strict=True)),
            65 * 32,
            "it holds 65 tensors, so it is no embedding",
        ),
        ({"emb_params": 5}, 0, UNSAID),
        ({"emb_params": tensor([1, 8], "I32")}, 32, "its vectors are not floating-point numbers"),
        ({"emb_params": tensor([1, 8], ["F32"])}, 32, UNSAID),
        ({"emb_params": tensor([1, 2, 4])}, 32, SHAPE),
        ({"emb_params": tensor([0, 8])}, 0, SHAPE),
        ({"emb_params": tensor([])}, 4, SHAPE),
        ({"emb_params": tensor([True, 8])}, 32, CANNOT_BE),
        ({"emb_params": {"dtype": "F32", "shape": [-1, 8], "data_offsets": [0, 8]}}, 8, CANNOT_BE),
        ({"emb_params": {"dtype": "F32", "shape": "8", "data_offsets": [0, 8]}}, 8, UNSAID),
        (
            {"emb_params": tensor([76, 1])},
            304,
            "it has 76 vectors; at most 75 fit into a prompt",
        ),
        (
            {"emb_params": tensor([99999])},
            399996,
            "its vectors are 99999 wide, which no text encoder is",
        ),
        (
            {"emb_params": tensor([1, 16])},
            32,
            "it is cut: 32 bytes of its tensors are missing",
        ),
        ({"emb_params": tensor([1, 8], offsets=[8, 40])}, 32, GAPS),
        ({"emb_params": tensor([1, 8], offsets=[-8, 24])}, 32, GAPS),
        (
            {"emb_params": tensor([1, 8], offsets=[0, 16])},
            32,
            "'emb_params' does not have as many bytes as its shape says",
        ),
        ({"emb_params": {"dtype": "F32", "shape": [1, 8]}}, 32, UNSAID),
        (
            dict(zip(("clip_l", "clip_g"), in_turn(tensor([1, 4]), tensor([2, 4])), strict=True)),
            48,
            UNEQUAL,
        ),
    ],
)
def test_a_wrong_header_is_one_embedding_with_its_problem(folder, embeddings, header, size, said):
    raw(folder / "bad.safetensors", header, bytes(size))
    write(folder / "good.safetensors", {"emb_params": vectors(1, 8)})
    bad, good = embeddings.entries()
    assert (bad.problem, bad.vectors) == (said, 0)
    assert good.problem is None


@pytest.mark.parametrize("length", [2**63, 2**20 + 1, 50])
def test_a_header_longer_than_its_file_is_not_even_read(folder, embeddings, length):
    raw(folder / "bad.safetensors", {}, length=length)
    assert problem(embeddings) == (
        "it is no safetensors file, or it is cut: its header does not fit into it"
    )


def test_a_huge_header_is_not_even_read(folder, embeddings):
    path = raw(folder / "bad.safetensors", {}, length=2**24 + 1)
    with path.open("r+b") as file:
        file.truncate(2**25)
    assert problem(embeddings) == "its header is larger than 16 MiB"


def test_links_that_lead_out_are_refused_and_those_inside_are_not(folder, embeddings, tmp_path):
    write(tmp_path / "secret.safetensors", {"emb_params": vectors(1, 8)})
    write(folder / "a" / "gold.safetensors", {"emb_params": vectors(1, 8)})
    (folder / "out.safetensors").symlink_to(tmp_path / "secret.safetensors")
    (folder / "in.safetensors").symlink_to(folder / "a" / "gold.safetensors")
    (folder / "circle.safetensors").symlink_to(folder / "circle.safetensors")
    (folder / "b").symlink_to(tmp_path)
    assert {each.name: each.problem is None for each in embeddings.entries()} == {
        "circle": False, "gold": True, "in": True, "out": False,
    }  # fmt: skip
    (out,) = [each for each in embeddings.entries() if each.name == "out"]
    assert out.problem == "it is a link that leads out of the embeddings' folder"


def test_what_is_no_file_is_not_opened(folder, embeddings):
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.safetensors")  # opening it would wait for ever
    assert problem(embeddings) == "it is not a file"


def test_of_two_names_that_differ_by_capitals_one_is_out(folder, embeddings):
    write(folder / "a" / "Gold.safetensors", {"emb_params": vectors(1, 8)})
    write(folder / "b" / "gold.safetensors", {"emb_params": vectors(2, 8)})
    (folder / "gold.pt").write_bytes(b"")
    assert [(each.name, each.vectors) for each in embeddings.usable({"x": 8}).values()] == [
        ("Gold", 1)
    ]
    problems = [each.problem or "" for each in embeddings.entries()]
    assert "the name is taken by Gold.safetensors; rename one of them" in problems


def test_a_name_that_cannot_be_written_is_shown_escaped(folder, embeddings):
    folder.mkdir(parents=True)
    write(folder / "new\nline.safetensors", {"emb_params": vectors(1, 8)})
    (entry,) = embeddings.entries()
    assert (entry.name, entry.problem) == (
        "new\\nline",
        "its name cannot be written in a prompt; rename it",
    )
    os.rename(folder / "new\nline.safetensors", os.fsencode(folder) + b"/\xff.safetensors")
    (entry,) = embeddings.entries()
    assert (entry.name, entry.problem is None) == ("\\udcff", False)

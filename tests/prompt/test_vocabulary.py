"""CLIP's tokenizer as transformers has it, from files that may have come from anywhere."""

import json
import random
import shutil

import pytest
from transformers import CLIPTokenizer

from tests.prompt.conftest import SHIPPED
from webui.errors import ModelRefused
from webui.prompt import ClipVocabulary, special_ids

PIECES = (
    "cat", "DOG", "ñandú", "e\u0301", "İ", "ß", "Σίσυφος", "ΣΑΣ", "👨‍👩‍👧", "中文",
    "日本語", "\u00a0", "\t", "\n", "  ", "don't", "I'M", "we'LL", "12345", "½", "²", "!!", "...",
    "<|endoftext|>", "<|STARTOFTEXT|>", "</w>", "\x00", "\x1f", "\u200b", "Ǆ", "ﬁ", "한국",
    "\ufeff", "(", ":1.2", "_", "É", "🏳️‍🌈", "!", "\\",
)  # fmt: skip
OLD = {
    "__type": "AddedToken",
    "content": "<|endoftext|>",
    "normalized": True,
    "lstrip": False,
    "rstrip": False,
}


def folder_of(tmp_path, files, **config):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    for name in files:
        shutil.copy(SHIPPED / name, folder)
    own = json.loads((SHIPPED / "tokenizer_config.json").read_text("utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**own, **config}))
    return folder


@pytest.mark.parametrize(
    ("files", "config"),
    [
        (["tokenizer.json"], {}),
        (["vocab.json", "merges.txt"], {}),
        (["vocab.json", "merges.txt"], {"pad_token": "!", "eos_token": OLD, "unk_token": OLD}),
        (["tokenizer.json"], {"pad_token": "!", "eos_token": OLD, "unk_token": OLD}),
    ],
)
def test_ids_are_those_of_transformers_for_any_text(tmp_path, files, config):
    folder = folder_of(tmp_path, files, **config)
    ours = ClipVocabulary.read(folder)
    theirs = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    draw = random.Random(1)
    for number in range(400):
        pieces = [draw.choice(PIECES) + draw.choice(["", " "]) for _ in range(draw.randint(0, 10))]
        signs = [chr(draw.randrange(0x1FFFF)) for _ in range(number % 20)]
        text = "".join(pieces) + "".join(each for each in signs if not each.isspace())
        text = text.encode("utf-8", "ignore").decode()
        expected = theirs(text, add_special_tokens=False).input_ids
        assert [id for id, _, _ in ours.encode(text)] == expected, text


def test_offsets_are_those_of_the_text_as_written(clip):
    text = "É  Cat,\n中"
    assert [text[start:end] for _, start, end in clip.encode(text)][:3] == ["É", "Cat", ","]
    assert {place for _, *place in map(tuple, clip.encode("中")) for place in [tuple(place)]} == {
        (0, 1)
    }


def test_half_a_surrogate_pair_is_no_crash(clip):
    assert clip.encode("cat \ud800")[0][0] == 2368


def test_a_token_reads_as_a_word(clip):
    assert [clip.word(id) for id, _, _ in clip.encode("embedding cat")] == ["embed", "ding", "cat"]
    assert clip.word(10**6) == ""


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("vocab.json", "{", "vocab.json is not valid JSON"),
        ("vocab.json", "[" * 100_000, "vocab.json is not valid JSON"),
        ("vocab.json", "[]", "vocab.json is not a JSON object"),
        ("vocab.json", "{}", "has no vocabulary"),
        ("vocab.json", '{"a": -1}', "'a' is no word with an id"),
        ("vocab.json", '{"a": 999999999999}', "'a' is no word with an id"),
        ("vocab.json", '{"a": "b"}', "'a' is no word with an id"),
        ("merges.txt", "a b c\n", "'a b c' is no pair to merge"),
        ("merges.txt", "zzzzzz yyyyyy\n", "tokenizer/vocab.json: "),
        ("merges.txt", "", "has no merges"),
        ("merges.txt", None, "merges.txt is missing"),
        ("vocab.json", None, "vocab.json is missing"),
        ("tokenizer.json", '{"model": 3}', "tokenizer.json: has no vocabulary"),
        ("vocab.json", " " * (32 * 2**20 + 1), "larger than 33554432 bytes"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, name, content, problem):
    folder = folder_of(tmp_path, ["vocab.json", "merges.txt"])
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(ModelRefused, match="^tokenizer/") as caught:
        ClipVocabulary.read(folder)
    assert problem in str(caught.value)


def test_a_tokenizer_file_cannot_say_how_text_is_cut_up(tmp_path):
    folder = folder_of(tmp_path, [])
    found = json.loads((SHIPPED / "tokenizer.json").read_text("utf-8"))
    found["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"}
    found["pre_tokenizer"] = None
    (folder / "tokenizer.json").write_text(json.dumps(found))
    assert ClipVocabulary.read(folder).encode("aaaa")[0][0] != 338
    assert [id for id, _, _ in ClipVocabulary.read(folder).encode("a cat")] == [320, 2368]


def header(path, tensors, length=None):
    data = json.dumps(tensors).encode() if not isinstance(tensors, bytes) else tensors
    path.write_bytes((len(data) if length is None else length).to_bytes(8, "little") + data)


# --- the tokens around a text --------------------------------------------------------------------

WHOLE, APART = ("tokenizer.json",), ("vocab.json", "merges.txt")
EXCLAMATION = {**OLD, "content": "!"}


@pytest.mark.parametrize("files", [WHOLE, APART], ids=["whole", "apart"])
@pytest.mark.parametrize(
    ("config", "mapped", "padding"),
    [
        ({}, None, 49407),
        ({"pad_token": "!"}, None, 0),  # as SDXL's second one has it
        ({"pad_token": EXCLAMATION}, None, 0),
        ({}, {"pad_token": "!"}, 0),  # as Stable Diffusion 2's has it
        ({}, {"pad_token": {"content": "!", "lstrip": False}}, 0),
        ({"added_tokens_decoder": {}}, {"pad_token": "!"}, 49407),
        ({"bos_token": "cat</w>", "eos_token": "dog</w>"}, None, 49407),
    ],
)
def test_the_tokens_around_a_text_are_those_of_transformers(
    tmp_path, files, config, mapped, padding
):
    folder = folder_of(tmp_path, files, **config)
    if mapped:
        (folder / "special_tokens_map.json").write_text(json.dumps(mapped))
    theirs = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    ours = special_ids(folder)
    assert ours == (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id)
    assert ours[2] == padding


@pytest.mark.parametrize(("token", "said", "id"), [("<fill>", 49408, 49408), ("(</w>", 7, 263)])
def test_a_token_that_was_added_has_the_id_that_its_config_says(tmp_path, token, said, id):
    added = {said: {"content": token, "special": True}}  # of a word, the vocabulary's counts
    folder = folder_of(tmp_path, APART, pad_token=token, added_tokens_decoder=added)
    theirs = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    assert special_ids(folder)[2] == theirs.pad_token_id == id


def test_a_folder_that_says_nothing_of_them_has_clips(tmp_path):
    folder = folder_of(tmp_path, WHOLE)
    (folder / "tokenizer_config.json").unlink()
    assert special_ids(folder) == (49406, 49407, 49407)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"pad_token": "no such word"}, "has no pad_token, which is to be 'no such word'"),
        ({"eos_token": None}, "has no eos_token, which is to be 'None'"),
        ({"bos_token": ["x"]}, "has no bos_token, which is to be \"['x']\""),
    ],
)
def test_one_that_is_missing_is_named(tmp_path, config, said):
    with pytest.raises(ModelRefused) as refused:
        special_ids(folder_of(tmp_path, WHOLE, **config))
    assert str(refused.value) == f"tokenizer/tokenizer.json: {said}"


def test_added_tokens_count_only_where_they_are_tokens(tmp_path):
    folder = folder_of(tmp_path, WHOLE, pad_token="<fill>")
    whole = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    for wrong in ([5, {"id": 1}, {"content": "<fill>", "id": "7"}], 5, {"content": "<fill>"}):
        whole["added_tokens"] = wrong
        (folder / "tokenizer.json").write_text(json.dumps(whole))
        with pytest.raises(ModelRefused, match="has no pad_token"):
            special_ids(folder)
    whole["added_tokens"] = [5, {"id": 1}, {"content": "<fill>", "id": 7}]
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    assert special_ids(folder)[2] == 7

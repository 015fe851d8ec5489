"""CLIP's tokenizer from a model's folder, on the library `tokenizers`: the ids that CLIP saw.

The files may have come from anywhere: they are read with limits, and of them only the words, the
merges and the special tokens are taken. How text is cut up is CLIP's own, written here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from webui.errors import ModelRefused
from webui.small_files import SmallFileError, bounded, json_object

_MOST_BYTES = 32 * 2**20  # of one file; CLIP's largest has 3.6 MB
_MOST_WORDS = 500_000
_MOST_SPECIAL = 1000
_LONGEST = 1000  # characters of a word
_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
_FLAGS = ("normalized", "lstrip", "rstrip", "single_word")
_END = "<|endoftext|>"
_AROUND = {"bos_token": "<|startoftext|>", "eos_token": _END, "pad_token": _END}  # CLIP's


class ClipVocabulary:
    """A `Vocabulary`. Any thread may call."""

    def __init__(self, tokenizer: Tokenizer, embeddings: Mapping[str, int]) -> None:
        self._tokenizer = tokenizer
        self._embeddings = dict(embeddings)

    @classmethod
    def read(cls, folder: Path, embeddings: Mapping[str, int] | None = None) -> "ClipVocabulary":
        """From tokenizer.json, or vocab.json and merges.txt. Raises ModelRefused, naming the file.

        `folder` is the model's tokenizer/; `embeddings` says how many vectors each one has.
        """
        try:
            return cls(_tokenizer(folder), embeddings or {})
        except OSError as error:
            raise ModelRefused(f"{_name(folder)} cannot be read: {error.strerror}") from None

    def with_embeddings(self, embeddings: Mapping[str, int]) -> "ClipVocabulary":
        """The same words and other embeddings."""
        return ClipVocabulary(self._tokenizer, embeddings)

    @property
    def embeddings(self) -> Mapping[str, int]:
        return self._embeddings

    def encode(self, text: str) -> list[tuple[int, int, int]]:
        # what is no text at all, half a surrogate pair, has no bytes that could be looked up
        encodable = text.encode("utf-8", "replace").decode() if _broken(text) else text
        found = self._tokenizer.encode(encodable, add_special_tokens=False)
        return [(id, *place) for id, place in zip(found.ids, found.offsets, strict=True)]

    def word(self, id: int) -> str:
        """A token as people read it; "" if there is none of that id."""
        return self._tokenizer.decode([id], skip_special_tokens=False).replace("</w>", "")


def special_ids(folder: Path) -> tuple[int, int, int]:
    """Of the tokens that begin, end and fill up a text in the tokenizer of this folder, as
    transformers' CLIPTokenizer finds them. Raises ModelRefused, naming the file."""
    config = _object(folder / "tokenizer_config.json", {})
    if "added_tokens_decoder" not in config:  # written before there was that
        config = config | _object(folder / "special_tokens_map.json", {})
    whole, words, problem = _read(folder)
    words = _added(whole, config) | words  # an id of its own only what is no word yet has
    begin, end, padding = (
        _id(words, config.get(key, usual), f"{problem}: has no {key}")
        for key, usual in _AROUND.items()
    )
    return begin, end, padding


def _added(whole: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, int]:
    """The ids of tokens that were added to the words: a list of them in tokenizer.json, and in the
    config of one whose words stand apart by their ids."""
    listed, decoder = whole.get("added_tokens"), config.get("added_tokens_decoder")
    found: list[tuple[object, object]] = []
    if whole and isinstance(listed, list):
        found = [(_content(each), each.get("id")) for each in listed if isinstance(each, dict)]
    elif not whole and isinstance(decoder, dict):
        found = [(_content(each), int(id)) for id, each in decoder.items() if id.isdecimal()]
    return {word: id for word, id in found if isinstance(word, str) and type(id) is int}


def _content(token: object) -> object:
    """Tokens stand in configs as their text, or as an object that has it."""
    return token.get("content") if isinstance(token, dict) else token


def _id(words: Mapping[str, int], said: object, problem: str) -> int:
    """Of a token as a config says it."""
    content = _content(said)
    found = words.get(content) if isinstance(content, str) else None
    if found is None:
        raise ModelRefused(f"{problem}, which is to be {str(content)[:40]!r}")
    return found


def _broken(text: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in text)


def _tokenizer(folder: Path) -> Tokenizer:
    config = _object(folder / "tokenizer_config.json", {})
    whole, words, problem = _read(folder)
    pairs = _model(whole).get("merges") if whole else _merges(folder)
    tokenizer = _clip(words, _pairs(pairs, problem), problem)
    tokenizer.add_special_tokens(_special(config, whole.get("added_tokens"), problem))
    return tokenizer


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, int], str]:
    """What tokenizer.json holds, {} if there is none; the words, in vocab.json then; and the name
    of the file that they are from."""
    whole = _object(folder / "tokenizer.json", {})
    name = "tokenizer.json" if whole else "vocab.json"
    words = _model(whole).get("vocab") if whole else _object(folder / name)
    problem = f"{folder.name}/{name}"
    return whole, _words(words, problem), problem


def _model(whole: Mapping[str, Any]) -> Mapping[str, Any]:
    model = whole.get("model")
    return model if isinstance(model, dict) else {}


def _clip(words: dict[str, int], pairs: list[tuple[str, str]], problem: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer(
            models.BPE(
                vocab=words,
                merges=pairs,
                continuing_subword_prefix="",
                end_of_word_suffix="</w>",
                fuse_unk=False,
                unk_token=_END,
            )
        )
    except Exception as error:  # the library raises Exception itself for a merge of no words
        raise ModelRefused(f"{problem}: {str(error)[:200]}") from None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


def _words(found: object, problem: str) -> dict[str, int]:
    if not isinstance(found, dict) or not 0 < len(found) <= _MOST_WORDS:
        raise ModelRefused(f"{problem}: has no vocabulary of at most {_MOST_WORDS} words")
    for word, id in found.items():
        if type(id) is not int or not 0 <= id < _MOST_WORDS or len(word) > _LONGEST:
            raise ModelRefused(f"{problem}: {word[:40]!r} is no word with an id")
    return found


def _pairs(found: object, problem: str) -> list[tuple[str, str]]:
    """Merges come as pairs or, in older files, as one text with a space."""
    pairs: list[tuple[str, str]] = []
    for each in found if isinstance(found, list) else []:
        pair = each.split(" ") if isinstance(each, str) else each
        if not isinstance(pair, list) or len(pair) != 2:
            raise ModelRefused(f"{problem}: {str(each)[:40]!r} is no pair to merge")
        if not all(isinstance(part, str) and len(part) <= _LONGEST for part in pair):
            raise ModelRefused(f"{problem}: {str(each)[:40]!r} is no pair to merge")
        pairs.append((pair[0], pair[1]))
    if not 0 < len(pairs) <= _MOST_WORDS:
        raise ModelRefused(f"{problem}: has no merges, or more than {_MOST_WORDS}")
    return pairs


def _special(config: Mapping[str, Any], added: object, problem: str) -> list[AddedToken]:
    """Tokens that are found before text is cut up; tokenizer.json counts before the config."""
    found: list[object] = ["<|startoftext|>", _END]
    found += [config.get(key) for key in _SPECIAL]
    found += added if isinstance(added, list) else []
    if len(found) > _MOST_SPECIAL:
        raise ModelRefused(f"{problem}: has more than {_MOST_SPECIAL} special tokens")
    tokens: dict[str, AddedToken] = {}
    for each in found:
        flags = each if isinstance(each, dict) else {}
        content = _content(each)
        if not isinstance(content, str) or not 0 < len(content) <= _LONGEST:
            continue
        if isinstance(each, dict) or content not in tokens:
            chosen = {key: flags[key] is True for key in _FLAGS if key in flags}
            tokens[content] = AddedToken(content, special=True, **{"normalized": False, **chosen})
    return list(tokens.values())


def _merges(folder: Path) -> list[str]:
    path = folder / "merges.txt"
    with _refusing(path):
        lines = bounded(path, _MOST_BYTES).decode("utf-8", "replace").split("\n")
    return [line for line in lines if line and not line.startswith("#version")]


def _object(path: Path, missing: dict[str, Any] | None = None) -> dict[str, Any]:
    if missing is not None and not path.is_file():
        return missing
    with _refusing(path):
        return json_object(path, _MOST_BYTES)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except SmallFileError as error:
        raise ModelRefused(f"{_name(path)} {error}") from None


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"

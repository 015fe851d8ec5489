"""A request as the "parameters" text that A1111 and its many readers know.

    prompt, may have lines
    Negative prompt: may have lines           (left out if empty)
    Steps: 20, Sampler: ..., Version: ...     (always one line, the last)

Our reader gives the prompts back exactly unless a line of the prompt begins "Negative prompt:"; our
own JSON stands beside the text in the file for that. A1111's reader trims each line.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from webui.metadata import images, keys
from webui.request import GenerationRequest

HASH_DIGITS = 10
FILE_HASH_DIGITS = 12
OURS = "darkroom-"  # how our Version begins
_NOTE = re.compile(r"(\w[\w \-/]+): (.+)", re.DOTALL)  # a key as A1111's reader knows it
_PART = {"sampling", "schedule_options"}

Pair = tuple[str, object]


def parameters_text(
    request: GenerationRequest, model_hash: str, version: str, notes: Sequence[str] = ()
) -> str:
    """`model_hash` is the sha256 of the weights, or "" if unknown.

    A note "key: value" stands under its key, any other under "Notes"; several of one key are
    joined by "; ", for readers take the last pair of a key alone.
    """
    first: list[Pair] = []
    if request.upscale is None:  # else nothing is generated
        first += [*_named(request, keys.FIRST), *_size(request, "Size")]
        first += [("Model hash", model_hash[:HASH_DIGITS]), ("Model", request.model)]
        first += _rest(request)
    rest = [*_of_images(images.pairs(request)), *_files(request), *_noted(notes)]
    last = [*first, *rest, ("Version", OURS + version)]
    return text_of(request.prompt, request.negative_prompt, last)


def text_of(prompt: str, negative_prompt: str, pairs: Iterable[Pair]) -> str:
    """The layout; pairs that say nothing are left out."""
    last = ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs if value != "")
    negative = [f"Negative prompt: {negative_prompt}"] if negative_prompt else []
    return "\n".join([prompt, *negative, last])


def _rest(request: GenerationRequest) -> list[Pair]:
    """The noise first, then what A1111 writes of the picture, then what is told the sampler."""
    noise: list[str] = []
    plain: list[str] = []
    options: list[str] = []
    for name in keys.DECLARED:
        if name not in (*keys.ALWAYS, "negative_prompt"):
            part = name.partition(".")[0]
            (options if part in _PART else noise if "." in name else plain).append(name)
    init_hash = [(images.INIT_HASH, request.init.picture)] if request.init else []
    return [
        *_named(request, noise),
        *_size(request, "Seed resize from"),
        *_of_images(images.strength(request)),
        *_named(request, plain),
        *init_hash,
        *_named(request, options),
    ]


def _of_images(found: Iterable[images.Pair]) -> Iterator[Pair]:
    for key, name, value in found:
        yield key, _written(name, value)


def value_of(request: GenerationRequest, name: str) -> Any:
    """What the field of that name says; None for what the request leaves to defaults."""
    if name.startswith("seed_resize."):
        size = request.seed_resize
        return None if size is None else size[name.endswith("height")]
    value: Any = request
    for part in name.split("."):
        value = getattr(value, part, None)
    if name.startswith("variation.") and request.variation and request.variation.strength == 0:
        return None
    return value


def _named(request: GenerationRequest, names: Sequence[str]) -> Iterator[Pair]:
    """A key and its value for each field that says what A1111 does not understand anyway."""
    for name in names:
        key, value = keys.key(name, request.sampler), value_of(request, name)
        if key is None or value is None or value == _unsaid(name):
            continue
        yield key, _written(name, value)


def _unsaid(name: str) -> object:
    """What need not be written."""
    if name in keys.ALWAYS or "." in name:
        return None
    return keys.UNSAID.get(name, keys.DECLARED[name].default)


def _written(name: str, value: Any) -> object:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, tuple):
        return " ".join(str(_number(each)) for each in value)
    said = keys.SAID.get(name) or images.SAID.get(name, {})
    return said.get(value, value) if isinstance(value, str) else value


def _size(request: GenerationRequest, key: str) -> list[Pair]:
    width, height = (value_of(request, name) for name in keys.SIZES[key])
    return [] if width is None else [(key, f"{width}x{height}")]


def _files(request: GenerationRequest) -> list[Pair]:
    """As A1111 names the files that were used: the first digits of each one's sha256."""
    pairs: list[Pair] = []
    for key, files in (("Lora hashes", request.loras), ("TI hashes", request.embeddings)):
        hashes = [
            f"{re.sub('[:,]', '', name)}: {digest[:FILE_HASH_DIGITS]}"
            for name, digest in files.items()
        ]
        pairs.append((key, ", ".join(hashes)))
    return pairs


def _noted(notes: Sequence[str]) -> list[Pair]:
    said: dict[str, list[str]] = {}
    plain: list[str] = []
    for note in notes:
        match = _NOTE.fullmatch(note)
        (said.setdefault(match[1], []) if match else plain).append(match[2] if match else note)
    pairs: list[Pair] = [(key, "; ".join(values)) for key, values in said.items()]
    return pairs + ([("Notes", "; ".join(plain))] if plain else [])


def _number(value: float) -> object:
    """7, not 7.0; else as many digits as it takes."""
    return int(value) if value.is_integer() else value


def _quoted(value: object) -> str:
    """As JSON where A1111's reader would take it apart, or trim it."""
    text = str(value)
    if any(character in text for character in ",:\n\r") or text.startswith('"'):
        return json.dumps(text, ensure_ascii=False)
    return text if text == text.strip() else json.dumps(text, ensure_ascii=False)

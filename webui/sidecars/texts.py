"""Words about a file of weights, from the texts beside it; nothing in them is believed."""

import html
import json
import math
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import FIELDS

_MOST = 2**20  # bytes of a file
_LONGEST = 2000  # characters of a description
_MOST_WORDS = 20
_LONGEST_WORD = 200  # characters
_MOST_TAGGED = 20_000  # characters of HTML that are looked at
_BREAK = re.compile(r"<(?:br|/p|/li|/h\d|/div)\b[^<>]{0,200}>", re.ASCII | re.IGNORECASE)
_SETTINGS = {  # of a request: as they are called here, and the name that InvokeAI has for one
    "steps": "steps",
    "guidance_scale": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "sampler": "sampler",
    "schedule": "schedule",
    "clip_skip": "clip_skip",
}
SUITED = tuple(dict.fromkeys(_SETTINGS.values()))
_TAG = re.compile(r"<[^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Words:
    description: str = ""
    trigger_words: tuple[str, ...] = ()
    negative: str = ""  # what its author puts into the negative prompt
    weight: float | None = None  # that its author prefers
    notes: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # of a request, that suit a model


def read(texts: Sequence[Path]) -> Words:
    """What they say together; where two say the same, the first counts."""
    said: dict[str, Any] = {}
    for path in texts:
        for name, value in _said(path).items():
            if value and name not in said:
                said[name] = value
    return Words(**said)


def _said(path: Path) -> Mapping[str, Any]:
    content = _content(path)
    name = path.name.casefold()
    if name.endswith(".txt"):
        return {"description": _plain(content)}
    try:
        found = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return _of_civitai(found) if name.endswith(".civitai.info") else _of_a1111(found)


def _of_a1111(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "description": _plain(found.get("description")),
        "trigger_words": _words([found.get("activation text")]),
        "negative": _plain(found.get("negative text"))[:_LONGEST_WORD],
        "weight": _weight(found.get("preferred weight")),
        "notes": _plain(found.get("notes")),
        "settings": _settings(found.get("default_settings")),
    }


def _of_civitai(found: Mapping[str, Any]) -> Mapping[str, Any]:
    trained = found.get("trainedWords")
    model = found.get("model")
    told = found.get("description") or (model.get("description") if isinstance(model, dict) else "")
    return {
        "description": _without_tags(told),
        "trigger_words": _words(trained if isinstance(trained, list) else []),
    }


def _settings(given: object) -> Mapping[str, Any]:
    """Those that a request may have."""
    said = given if isinstance(given, dict) else {}
    found: dict[str, Any] = {}
    for key, name in _SETTINGS.items():
        if key in said and name not in found and _allowed(name, said[key]):
            found[name] = said[key]
    return found


def _allowed(name: str, value: object) -> bool:
    if isinstance(value, str) and not (len(value) <= _LONGEST_WORD and value.isprintable()):
        return False
    try:
        FIELDS[name].check(value)
    except InvalidRequest:
        return False
    return True


def _words(given: Sequence[object]) -> tuple[str, ...]:
    """The pieces between commas, each once."""
    texts = [each[:_LONGEST] for each in given[:_MOST_WORDS] if isinstance(each, str)]
    pieces = [_plain(piece)[:_LONGEST_WORD] for text in texts for piece in text.split(",")]
    return tuple(dict.fromkeys(piece for piece in pieces if piece))[:_MOST_WORDS]


def _weight(given: object) -> float | None:
    """0 is how A1111 writes that there is none."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return None
    return float(given) if given and abs(given) <= 10 else None


def _without_tags(given: object) -> str:
    if not isinstance(given, str):
        return ""
    text = _TAG.sub("", _BREAK.sub("\n", given[:_MOST_TAGGED]))
    return _plain(re.sub(r"\n{3,}", "\n\n", html.unescape(text)))


def _plain(given: object) -> str:
    """Lines of what can be printed."""
    if not isinstance(given, str):
        return ""
    lines = given[:_LONGEST].splitlines()
    return "\n".join("".join(filter(str.isprintable, line)).strip() for line in lines).strip()


def _content(path: Path) -> str:
    """ "" for what is too large, no plain file, or a link that leads elsewhere."""
    try:
        if path.is_symlink() and path.resolve().parent != path.parent.resolve():
            return ""
        found = path.stat()  # before it is opened: a pipe would be waited for
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
            return ""
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8-sig", "replace")
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return ""

"""A1111's text -> prompts and pairs, by A1111's rules; in time that grows with its length alone.

The last line holds the parameters if it has at least three pairs, else it is prompt. A pair is a
key of two characters or more, a colon, and a JSON string or everything up to the next comma. A line
that begins "Negative prompt:" begins the negative prompt. A1111 trims each line; what we wrote
ourselves (its Version says so) is taken to the letter.

No regular expression here goes back over what it has read.
"""

import json
import re
from dataclasses import dataclass

from webui.metadata.writer import OURS

MIN_PAIRS = 3  # A1111's
MAX_PAIRS = 500  # no program writes more
NEGATIVE = "Negative prompt:"
_RUN = re.compile(r"[\w \-/]++")  # what keys are made of
_START = re.compile(r"\w")
_SPACE = re.compile(r"\s*+")
_STRING = re.compile(r'"(?:\\.|[^\\"])++"')
_WHOLE = {"Hashes", "Civitai resources", "Civitai metadata"}  # JSON that nobody quoted
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Text:
    """What a text says."""

    prompt: str
    negative_prompt: str
    pairs: tuple[tuple[str, str], ...]  # as they stand there, quotes resolved
    ours: bool = False  # we wrote it
    has_negative: bool = False  # a line began the negative prompt

    @property
    def recipe(self) -> bool:
        """Whether it says anything that a mere prompt does not."""
        return bool(self.pairs) or self.has_negative


def read_text(text: str) -> Text:
    """Any text: one without parameters is all prompt."""
    whole = text.rstrip()
    body, _, last = whole.rpartition("\n")
    found = pairs(last)
    if len(found) < MIN_PAIRS:
        body, found = text.strip(), []
    elif "\n" not in whole:
        return Text("", "", tuple(found), _ours(found))
    if _ours(found):
        return _exact(body, found)
    return _trimmed(body, found)


def pairs(line: str) -> list[tuple[str, str]]:
    """The pairs of a last line, as A1111 finds them; the first MAX_PAIRS of them."""
    found: list[tuple[str, str]] = []
    whole = set(_WHOLE)
    at = 0
    while len(found) < MAX_PAIRS and (run := _RUN.search(line, at)):
        key = _key(line, run.start(), run.end())
        at = run.end()
        if key is None:
            continue
        value, at = _value(line, at + 1, key in whole)
        whole.discard(key)
        if value:
            found.append((key, value))
    return found


def _key(line: str, start: int, end: int) -> str | None:
    """What stands before a colon, from its first letter or digit on; one character is no key."""
    if line[end : end + 1] != ":":
        return None
    first = _START.search(line, start, end)
    return line[first.start() : end] if first and end - first.start() > 1 else None


def _value(line: str, at: int, is_json: bool) -> tuple[str, int]:
    """The value at `at`, and where to go on."""
    space = _SPACE.match(line, at)
    start = space.end() if space else at
    if is_json and line[start : start + 1] in ("{", "["):
        try:
            _, end = _JSON.raw_decode(line, start)
            return line[start:end], end + 1
        except (ValueError, RecursionError):
            pass  # then it is text
    string = _STRING.match(line, start) if line[start : start + 1] == '"' else None
    if string and line[string.end() : string.end() + 1] in ("", ","):
        return _unquoted(string[0]), string.end() + 1
    comma = line.find(",", start)
    end = len(line) if comma < 0 else comma
    return line[start:end].rstrip(), end + 1


def _unquoted(text: str) -> str:
    try:
        value = str(json.loads(text, strict=False))
        return value.encode("utf-8", "replace").decode()  # "\\ud800" is no text
    except ValueError:
        return text  # A1111 keeps it too


def _ours(found: list[tuple[str, str]]) -> bool:
    return bool(found) and found[-1][0] == "Version" and found[-1][1].startswith(OURS)


def _exact(body: str, found: list[tuple[str, str]]) -> Text:
    lines = body.split("\n")
    for at, line in enumerate(lines):
        if line.startswith(NEGATIVE + " "):
            negative = "\n".join([line[len(NEGATIVE) + 1 :], *lines[at + 1 :]])
            return Text("\n".join(lines[:at]), negative, tuple(found), True, True)
    return Text(body, "", tuple(found), True)


def _trimmed(body: str, found: list[tuple[str, str]]) -> Text:
    prompt: list[str] = []
    negative: list[str] = []
    lines, begun = prompt, False
    for line in body.strip().split("\n"):
        trimmed = line.strip()
        if trimmed.startswith(NEGATIVE):
            lines, begun = negative, True
            trimmed = trimmed[len(NEGATIVE) :].strip()
        lines.append(trimmed)
    return Text("\n".join(prompt), "\n".join(negative), tuple(found), has_negative=begun)

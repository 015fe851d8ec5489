"""`a AND b :0.5`: several prompts, each of which guides the picture with a weight."""

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from webui.errors import InvalidRequest
from webui.prompt import brackets

MOST = 32  # parts; each is one more picture in every call of the network

_AND = re.compile(r"\bAND\b")
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    weight: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Composition:
    pieces: tuple[Piece, ...]
    protected: tuple[int, ...] = ()  # where an AND stands in brackets, and is a word


def split(text: str, atoms: Sequence[tuple[int, int]] = (), field: str = "prompt") -> Composition:
    """The parts between the word AND, capitals only. Raises InvalidRequest for more than 32.

    A number after a colon at the end of a part is its weight. Differs from A1111: brackets that are
    closed, and atoms, protect an AND in them; and where there is no AND there is no weight.
    """
    words = list(_AND.finditer(text))
    if not words:
        return Composition((Piece(1.0, 0, len(text)),))
    inside = brackets.outermost([*brackets.pairs(text, atoms)[0], *atoms])
    starts = [start for start, _ in inside]

    def protects(at: int) -> bool:
        index = bisect_right(starts, at) - 1
        return index >= 0 and at < inside[index][1]

    split_at = [word for word in words if not protects(word.start())]
    protected = tuple(word.start() for word in words if protects(word.start()))
    if not split_at:
        return Composition((Piece(1.0, 0, len(text)),), protected)
    if len(split_at) >= MOST:
        raise InvalidRequest(field, f"has {len(split_at) + 1} parts with AND; {MOST} is the most")
    starts_of_parts = [0, *(word.end() for word in split_at)]
    ends = [*(word.start() for word in split_at), len(text)]
    bounds = zip(starts_of_parts, ends, strict=True)
    return Composition(tuple(_piece(text, *each, field) for each in bounds), protected)


def weighted(text: str, start: int = 0, end: int | None = None) -> Piece | None:
    """The range without its weight, `:number` at the end, if it has one; a `\\:` is none."""
    colon = text.rfind(":", start, end)
    match = _NUMBER.fullmatch(text, colon + 1, len(text) if end is None else end)
    before = text[start : max(start, colon)]
    escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    if colon < 0 or match is None or escaped:
        return None
    return Piece(float(match[1]), start, start + len(before.rstrip()))


def _piece(text: str, start: int, end: int, field: str) -> Piece:
    """Without its weight and the white space before that or the end."""
    piece = weighted(text, start, end)
    if piece is None:
        return Piece(1.0, start, start + len(text[start:end].rstrip()))
    if not math.isfinite(piece.weight):
        raise InvalidRequest(field, "has an AND whose weight is too large")
    return piece

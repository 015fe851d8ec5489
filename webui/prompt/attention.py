"""Emphasis: `(a)`, `[a]`, `(a:1.3)`, escapes and BREAK, with A1111's numbers to the last bit.

Round and square brackets are two stacks that know nothing of each other, so their ranges may cross:
`(a [b) c]`. A weight is the product of the brackets around a piece in the order in which these were
closed; those that never were come last, round ones first and outermost first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Emphasis = Literal["original", "no norm", "ignore", "none"]
Kind = Literal["text", "break", "atom"]

ROUND, SQUARE = 1.1, 1 / 1.1  # what a pair of brackets without a number multiplies by
BREAK = "BREAK"

_TOKEN = re.compile(
    r"\\[()\[\]\\]?"  # an escape, or a backslash that is dropped
    r"|[()\[\]]"
    r"|:\s*(?P<weight>[+-]?[.\d]+)\s*\)"
    r"|:|[^\\()\[\]:]+"
)
_BREAK = re.compile(r"\bBREAK\b")
_EXACT = 100_000  # products of weights that are taken one by one, in the exact order
_NONE = -1  # no bracket


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text of one weight: what the tokenizer is given at once."""

    text: str
    weight: float
    slices: tuple[tuple[int, int], ...]  # where in `text` a piece begins, and where in the prompt
    kind: Kind = "text"


def parse_attention(text: str) -> list[tuple[str, float]]:
    """(text, weight) as A1111's parser gives them, and ("BREAK", -1) for a BREAK.

    Differs from it in two places: a number that is none, `(a:1.2.3)`, is literal text, and a BREAK
    inside brackets stays one.
    """
    return [(span.text, span.weight) for span in spans(text)]


def spans(text: str, atoms: Sequence[tuple[int, int]] = ()) -> list[Span]:
    """As `parse_attention`, with places. An atom is a range of `text` that nobody looks into."""
    scan, position = _Scan(), 0
    for start, end in atoms:
        scan.read(text, position, start)
        scan.add(text[start:end], start, "atom")
        position = end
    scan.read(text, position, len(text))
    return _merged(scan) or [Span("", 1.0, ((0, 0),))]


class _Scan:
    """Pieces, and for each the innermost round and square bracket that it stands in."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, int, Kind, tuple[int, int]]] = []
        self.parent: list[int] = []  # of each bracket: the one of its kind around it
        self.multiplier: list[float] = []
        self.closed: list[int] = []  # when; -1 while open
        self._top = {"(": _NONE, "[": _NONE}
        self._closings = 0

    def read(self, text: str, start: int, end: int) -> None:
        for match in _TOKEN.finditer(text, start, end):
            piece, at = match[0], match.start()
            if piece[0] == "\\":
                self.add(piece[1:], at + 1)
            elif piece in "([":
                self._open(piece)
            elif piece == ")" and self._top["("] != _NONE:
                self._close("(", ROUND)
            elif piece == "]" and self._top["["] != _NONE:
                self._close("[", SQUARE)
            elif match["weight"] is not None and self._top["("] != _NONE:
                self._close_weighted(piece, at, match["weight"])
            else:
                self._add_literal(piece, at)

    def add(self, text: str, start: int, kind: Kind = "text") -> None:
        self.pieces.append((text, start, kind, (self._top["("], self._top["["])))

    def _open(self, kind: str) -> None:
        self.parent.append(self._top[kind])
        self.multiplier.append(ROUND if kind == "(" else SQUARE)
        self.closed.append(-1)
        self._top[kind] = len(self.parent) - 1

    def _close(self, kind: str, multiplier: float) -> None:
        bracket = self._top[kind]
        self.multiplier[bracket], self.closed[bracket] = multiplier, self._closings
        self._closings += 1
        self._top[kind] = self.parent[bracket]

    def _close_weighted(self, piece: str, at: int, number: str) -> None:
        try:
            weight = float(number)
        except ValueError:  # A1111 crashes
            self.add(piece[:-1], at)
            weight = ROUND
        self._close("(", weight)

    def _add_literal(self, piece: str, at: int) -> None:
        """Each BREAK eats the white space around it, and leaves an empty text where there is none.

        The white space is stripped by hand: a pattern with it around the word takes quadratic time.
        """
        if BREAK not in piece:
            self.add(piece, at)
            return
        position, found = 0, list(_BREAK.finditer(piece))
        for number, match in enumerate([*found, None]):
            text = piece[position : match.start() if match else len(piece)]
            stripped = text.lstrip() if number else text
            start = at + position + len(text) - len(stripped)
            self.add(stripped.rstrip() if match else stripped, start)
            if match:
                self.add(BREAK, at + match.start(), "break")
                position = match.end()


def _merged(scan: _Scan) -> list[Span]:
    """Neighbours of equal weight as one."""
    weights = _weights(scan)
    result: list[Span] = []
    texts: list[str] = []
    slices: list[tuple[int, int]] = []
    length, current = 0, 0.0

    def flush() -> None:
        nonlocal length
        if slices:
            result.append(Span("".join(texts), current, tuple(slices)))
            texts.clear()
            slices.clear()
            length = 0

    for text, start, kind, brackets in scan.pieces:
        weight = weights[brackets]
        if kind != "text":
            flush()
            result.append(Span(text, -1 if kind == "break" else weight, ((0, start),), kind))
            continue
        if weight != current:
            flush()
        current = weight
        texts.append(text)
        slices.append((length, start))
        length += len(text)
    flush()
    return result


def _weights(scan: _Scan) -> dict[tuple[int, int], float]:
    """The weight of each pair of innermost brackets, in linear time.

    Brackets are multiplied one by one from the inside, as A1111 does, as far as `_EXACT` reaches
    (a prompt of 100,000 characters may hold 50,000 weights, each a product of up to 50,000). What
    is left of the outermost is one number, which changes the result by rounding alone. Brackets
    that are all alike, the usual case, are exact at any depth.
    """
    outer: list[float] = []
    depths: list[int] = []  # 0: not all alike from here outwards
    for parent, multiplier in zip(scan.parent, scan.multiplier, strict=True):
        inner = parent == _NONE
        outer.append(multiplier * (1.0 if inner else outer[parent]))
        alike = inner or (depths[parent] and scan.multiplier[parent] == multiplier)
        depths.append(1 if inner else depths[parent] + 1 if alike else 0)
    needed = {brackets for _, _, _, brackets in scan.pieces}
    room = _EXACT // max(1, len(needed))
    powers: dict[float, list[float]] = {}
    weights = {}
    for brackets in needed:
        bracket = max(brackets)
        if min(brackets) == _NONE and (bracket == _NONE or depths[bracket]):
            depth = depths[bracket] if bracket != _NONE else 0
            multiplier = scan.multiplier[bracket] if depth else 1.0
            known = powers.setdefault(multiplier, [1.0])
            while len(known) <= depth:
                known.append(known[-1] * multiplier)
            weights[brackets] = known[depth]
        else:
            weights[brackets] = _weight(scan, brackets, outer, room)
    return weights


def _weight(scan: _Scan, brackets: tuple[int, int], outer: Sequence[float], room: int) -> float:
    """Of what stands in these innermost brackets, round and square."""
    weight, (round_one, square) = 1.0, brackets
    closed = scan.closed
    while room and (round_one != _NONE or square != _NONE):
        ends = [closed[each] if each != _NONE else -1 for each in (round_one, square)]
        if ends == [-1, -1] and round_one == _NONE:
            weight *= SQUARE
            square = scan.parent[square]
        elif ends[1] == -1 or -1 < ends[0] < ends[1]:
            weight *= scan.multiplier[round_one]
            round_one = scan.parent[round_one]
        else:
            weight *= scan.multiplier[square]
            square = scan.parent[square]
        room -= 1
    for left in (round_one, square):
        weight *= outer[left] if left != _NONE else 1.0
    return weight

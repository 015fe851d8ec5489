"""`<mix:cat,panda:0.4>` and its kin: what a tag of this kind says, as a value.

A blend of two or more texts, a sum of words' vectors, or one text's vectors in another's places.
Brackets protect what stands in them, a backslash the sign after it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from webui.errors import InvalidRequest
from webui.prompt import tags
from webui.prompt.parts import Mixing

_SIGNS = re.compile(r"\\.|[\[\]():,;=]|(?<=\s)[+-](?=\s)", re.DOTALL)
_ESCAPE = re.compile(r"\\([,;=+*-])")
# possessive, as all that could go back over what they have read: it takes seconds otherwise
_FACTOR = re.compile(r"\s*+([+-]?+(?:\d++\.?+\d*+|\.\d++))\s*+\*", re.ASCII)
_NUMBER = re.compile(r"[+-]?+(?:\d++\.?+\d*+|\.\d++)", re.ASCII)
_MOST = 16  # texts in one mix


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One of the texts, as slices (start, end) of the text that the tag stands in."""

    factor: float
    slices: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """`linear`: the sum of factor times vector. `slerp`: factors are shares of 1."""

    kind: Literal["blend", "sum", "replacement"]
    ingredients: tuple[Ingredient, ...]
    level: Literal["token", "text"]
    mixing: Mixing
    start: int  # of the tag, in the text that it stands in
    end: int

    @property
    def alone(self) -> Ingredient | None:
        """The one text that this mix comes down to, if it does."""
        left = [each for each in self.ingredients if each.factor != 0]
        if len(left) != 1 or left[0].factor != 1:
            return None
        whole = self.kind != "replacement" or left[0] is self.ingredients[0]
        return left[0] if whole else None


def mixes(text: str, field: str = "prompt") -> list[Mix]:
    """The mixes in it, by place. Raises InvalidRequest, for `field`, for one that means nothing."""
    return [_Reader(text, each, field).mix() for each in tags.found(text) if each.kind == tags.MIX]


def places(text: str) -> list[tuple[int, int]]:
    """Where mixes stand, whatever they say."""
    return [(each.start, each.end) for each in tags.found(text) if each.kind == tags.MIX]


class _Reader:
    def __init__(self, text: str, tag: tags.Found, field: str) -> None:
        self._text, self._tag, self._field = text, tag, field

    def mix(self) -> Mix:
        tag = self._tag
        if "<" in self._text[tag.inside : tag.end]:
            raise self._wrong("cannot hold another tag")
        signs = self._signs()
        colons = [at for sign, at in signs if sign == ":"]
        ends = [*colons, tag.end - 1]
        body = [(sign, at) for sign, at in signs if at < ends[0]]
        settings = [
            self._text[start + 1 : end].strip() for start, end in zip(colons, ends[1:], strict=True)
        ]
        ratios, level, mixing = self._settings(settings)
        kind, parts = self._parts(body, ends[0])
        if len(parts) > _MOST:
            raise self._wrong(f"has {len(parts)} texts; {_MOST} is the most")
        if kind != "blend" and (
            level == "text" or (kind == "sum" and (ratios or mixing != "linear"))
        ):
            raise self._wrong(f"is a {kind}, which works on words' vectors and takes nothing else")
        factors = self._factors(kind, parts, ratios)
        ingredients = tuple(
            Ingredient(factor, self._slices(start, end))
            for factor, (_, start, end) in zip(factors, parts, strict=True)
        )
        return Mix(kind, ingredients, level, mixing, tag.start, tag.end)

    def _wrong(self, problem: str) -> InvalidRequest:
        shown = self._text[self._tag.start : self._tag.end]
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return InvalidRequest(
            self._field,
            f"{shown} {problem}; a mix reads <mix:cat,panda:0.4>, <mix:king - man + woman> or "
            "<mix:puppy=skunk>",
        )

    def _signs(self) -> list[tuple[str, int]]:
        """What stands outside brackets and is not escaped."""
        depth, signs = 0, []
        for match in _SIGNS.finditer(self._text, self._tag.inside, self._tag.end - 1):
            sign = match[0]
            if sign in "([":
                depth += 1
            elif sign in ")]":
                depth = max(0, depth - 1)
            elif depth == 0 and sign[0] != "\\":
                signs.append((sign, match.start()))
        return signs

    def _settings(
        self, settings: Sequence[str]
    ) -> tuple[list[float], Literal["token", "text"], Mixing]:
        ratios: list[float] = []
        level: Literal["token", "text"] = "token"
        mixing: Mixing = "linear"
        for each in settings:
            numbers = [part.strip() for part in each.split(",")]
            if each in ("token", "text"):
                level = "text" if each == "text" else "token"
            elif each in ("linear", "slerp"):
                mixing = "slerp" if each == "slerp" else "linear"
            elif all(_NUMBER.fullmatch(part) for part in numbers) and not ratios:
                ratios = [float(part) for part in numbers]
            else:
                raise self._wrong(
                    f"has {each[:40]!r} after a colon, where ratios, token, text, linear or slerp "
                    "can stand once"
                )
        return ratios, level, mixing

    def _parts(
        self, signs: Sequence[tuple[str, int]], end: int
    ) -> tuple[Literal["blend", "sum", "replacement"], list[tuple[str, int, int]]]:
        """What the tag is, and its texts: (sign before, start, end)."""
        present = {sign for sign, _ in signs}
        factor = _FACTOR.match(self._text, self._tag.inside, end)
        kind: Literal["blend", "sum", "replacement"] = "blend"
        if ";" in present or "," in present:
            separators = [";" if ";" in present else ","]
        elif "=" in present:
            kind, separators = "replacement", ["="]
        elif factor or "+" in present or "-" in present:
            kind, separators = "sum", ["+", "-"]
        else:
            raise self._wrong("names one text only")
        parts, start, sign = [], self._tag.inside, "+"
        for each, at in [*((s, a) for s, a in signs if s in separators), ("", end)]:
            parts.append((sign, start, at))
            start, sign = at + 1, each
        if kind == "replacement" and len(parts) != 2:
            raise self._wrong("has more than one =")
        return kind, parts

    def _factors(
        self, kind: str, parts: list[tuple[str, int, int]], ratios: Sequence[float]
    ) -> list[float]:
        if kind == "sum":
            return self._signed(parts)
        if not ratios:
            ratios = [1.0] if kind == "replacement" else [1.0] * len(parts)
        if len(ratios) == 1 and len(parts) == 2:
            if not 0 <= ratios[0] <= 1:
                raise self._wrong("has a ratio outside 0 to 1")
            return [1 - ratios[0], ratios[0]]
        if len(ratios) != len(parts):
            raise self._wrong(f"has {len(ratios)} ratios for {len(parts)} texts")
        total = sum(ratios)
        if min(ratios) < 0 or not 0 < total < math.inf:
            raise self._wrong("has ratios that are not shares: none below 0, one above")
        return [ratio / total for ratio in ratios]

    def _signed(self, parts: list[tuple[str, int, int]]) -> list[float]:
        """Takes the factors, `2*`, out of the parts."""
        factors = []
        for index, (sign, start, end) in enumerate(parts):
            match = _FACTOR.match(self._text, start, end)
            factor = float(match[1]) if match else 1.0
            if not abs(factor) <= 100:
                raise self._wrong("has a factor beyond 100")
            factors.append(-factor if sign == "-" else factor)
            parts[index] = (sign, match.end() if match else start, end)
        return factors

    def _slices(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Without the white space around it and without the backslashes of escapes."""
        text = self._text[start:end]
        end = start + len(text.rstrip())
        start += len(text) - len(text.lstrip())
        if start >= end:
            raise self._wrong("has a text with nothing in it")
        slices = []
        for match in _ESCAPE.finditer(self._text, start, end):
            slices.append((start, match.start()))
            start = match.start() + 1
        return (*slices, (start, end))

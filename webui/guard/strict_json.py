"""JSON as it may come from outside: UTF-8, finite numbers, sound text, bounded depth.

Python's own reader takes NaN, lone surrogates and any depth, which then break whoever writes the
value out again.
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
# always matches from a quote on, also without an end, so that the search stays linear
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotStrictError(ValueError):
    """Reads on after "the body"."""


def parse(data: bytes) -> Any:
    """The value. Raises NotStrictError; never quotes what was sent."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotStrictError("is not UTF-8") from None
    if _depth(text) > MAX_DEPTH:
        raise NotStrictError(f"is nested more than {MAX_DEPTH} deep")
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_object,
        )
    except NotStrictError:
        raise
    except (ValueError, RecursionError):
        raise NotStrictError("is not valid JSON") from None
    if _SURROGATE.search(text) and not _sound(value):
        raise NotStrictError("holds half a character (a lone surrogate)")
    return value


def _depth(text: str) -> int:
    """Of the deepest bracket outside strings; stops counting beyond the limit."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket.group() in "[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _refuse_constant(_: str) -> NoReturn:
    raise NotStrictError("holds NaN or Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotStrictError("holds a number that is too large")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may disagree on which of two equal keys counts."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrictError("holds an object with the same key twice")
    return value


def _sound(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True

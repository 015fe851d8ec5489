"""Versions and ranges of them: "1.2.3" lies in ">=1.0,<2". Digits with dots between, no more."""

import re

_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}", re.ASCII)
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*(\d{1,9}(?:\.\d{1,9}){0,3})", re.ASCII)
_LEADING = re.compile(r"\d+(\.\d+){0,3}", re.ASCII)

Version = tuple[int, ...]


def version(text: str) -> Version:
    """Raises ValueError unless it is "1", "1.2", "1.2.3" or "1.2.3.4"."""
    if not _VERSION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no version such as 1.2.0")
    return _numbers(text)


def lies_in(found: str, bounds: str) -> bool:
    """Whether a version lies within all bounds, ">=1.0,<2". Raises ValueError for no bounds.

    Of what was found only the leading numbers count: "1.2rc1" is 1.2 here.
    """
    parts = [part.strip() for part in bounds.split(",")]
    matches = [_BOUND.fullmatch(part) for part in parts]
    leading = _LEADING.match(found)
    number = _numbers(leading[0]) if leading else ()
    within = True
    for part, match in zip(parts, matches, strict=True):
        if match is None:
            raise ValueError(f"{part[:40]!r} is no bound such as >=1.0; write >=1.0,<2")
        within = within and _holds(number, match[1], _numbers(match[2]))
    return within


def _holds(number: Version, sign: str, bound: Version) -> bool:
    return {
        ">=": number >= bound,
        "<=": number <= bound,
        "==": number == bound,
        "<": number < bound,
        ">": number > bound,
    }[sign]


def _numbers(text: str) -> Version:
    """Without zeros at its end: 1.0 is 1."""
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)

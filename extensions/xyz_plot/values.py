"""What is written for an axis -> its values, by A1111's syntax.

A list is read as CSV: commas between, "one, with a comma" in quotes. An entry of a numeric axis may
be a range, both ends included: 1-5, 1-10 (+2), 10-1 (-3), 1.0-2.0 (+0.25); or so many numbers
evenly over it: 1-10 [5]. Written as decimals, added as decimals: 0.1 thrice is 0.3.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from webui import Axis, InvalidRequest, Services

MOST = 500  # values of an axis; no plot has more cells
LONGEST = 20_000  # characters
_NUMBER = r"[+-]?(?:\d{1,18}(?:\.\d{0,12})?|\.\d{1,12})"
_STEPS = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\))?", re.ASCII)
_COUNT = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*\[\s*(\d{{1,6}})\s*\]", re.ASCII)
_ALONE = re.compile(rf"{_NUMBER}(?:[eE][+-]?\d{{1,2}})?", re.ASCII)
_FLAGS = {"true": True, "yes": True, "1": True, "on": True,
          "false": False, "no": False, "0": False, "off": False}  # fmt: skip


def of_axis(axis: Axis, text: str, services: Services) -> list[Any]:
    """All values, one at least. Raises InvalidRequest, naming the axis and the value."""
    entries = listed(axis, text)
    if not entries and axis.choices is not None:
        entries = list(axis.choices(services))
    if not entries:
        raise InvalidRequest("values", f"of {axis.label} are missing; such as {axis.example}")
    values: list[Any] = []
    for entry in entries:
        values += _values(axis, entry, services)
        if len(values) > MOST:
            raise _too_many(axis)
    if axis.expand is not None:
        values = list(axis.expand(values))
    if len(values) > MOST:
        raise _too_many(axis)
    return values


def listed(axis: Axis, text: str) -> list[str]:
    """The entries, without spaces around; empty ones are none."""
    if len(text) > LONGEST:
        raise InvalidRequest("values", f"of {axis.label} have more than {LONGEST} characters")
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        return [entry.strip() for row in reader for entry in row if entry.strip()]
    except csv.Error as error:
        raise InvalidRequest("values", f"of {axis.label} are no list: {error}") from None


def _values(axis: Axis, entry: str, services: Services) -> Iterator[Any]:
    if axis.kind == "flag":
        if entry.casefold() not in _FLAGS:
            raise _wrong(axis, entry, "is neither True nor False")
        yield _FLAGS[entry.casefold()]
    elif axis.kind == "text":
        known = _choices(axis, services)
        same = [each for each in known if each.casefold() == entry.casefold()]
        yield entry if entry in known or not same else same[0]
    else:
        whole = axis.kind == "whole"
        for each in _numbers(axis, entry):
            if whole and each.denominator != 1:
                raise _wrong(axis, entry, "is no whole number")
            yield int(each) if whole else float(each)


def _choices(axis: Axis, services: Services) -> Sequence[str]:
    """None where they cannot be listed: what is written is taken as it is."""
    try:
        return axis.choices(services) if axis.choices is not None else ()
    except InvalidRequest:
        return ()


def _numbers(axis: Axis, entry: str) -> list[Fraction]:
    if _ALONE.fullmatch(entry):
        return [Fraction(Decimal(entry))]
    if match := _COUNT.fullmatch(entry):
        first, last, count = Fraction(match[1]), Fraction(match[2]), int(match[3])
        return _evenly(axis, entry, first, last, count)
    if match := _STEPS.fullmatch(entry):
        return _steps(axis, entry, match[1], match[2], match[3])
    raise _wrong(axis, entry, f"is no number and no range; such as {axis.example}")


def _evenly(axis: Axis, entry: str, first: Fraction, last: Fraction, count: int) -> list[Fraction]:
    """Both ends and what lies evenly between; whole numbers are cut, as A1111 does."""
    if not 1 <= count <= MOST:
        raise _wrong(axis, entry, f"asks for {count} values; 1 to {MOST} can be")
    between = [first + (last - first) * Fraction(at, max(1, count - 1)) for at in range(count)]
    if axis.kind == "whole":
        return [Fraction(int(each)) for each in between]
    return between


def _steps(axis: Axis, entry: str, first: str, last: str, by: str | None) -> list[Fraction]:
    begin, end = Fraction(first), Fraction(last)
    step = Fraction(by) if by is not None else Fraction(1)
    if step == 0 or (end - begin) * step < 0:
        down = f"{entry} (-1)" if by is None else f"{first}-{last} ({-step:+g})" if step else entry
        raise _wrong(axis, entry, f"never comes to its end; try {down}")
    count = int((end - begin) / step) + 1
    if count > MOST:
        raise _too_many(axis)
    return [begin + step * at for at in range(count)]


def written(value: Any) -> str:
    """A value as it stands in labels and metadata."""
    if isinstance(value, float):
        return f"{round(value, 8):.10g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def joined(values: Sequence[Any]) -> str:
    return ", ".join(written(each) for each in values)


def _wrong(axis: Axis, entry: str, why: str) -> InvalidRequest:
    return InvalidRequest("values", f"of {axis.label}: {entry[:60]!r} {why}")


def _too_many(axis: Axis) -> InvalidRequest:
    return InvalidRequest("values", f"of {axis.label} are more than {MOST}")

"""An axis of a plot: one thing of a request, of which several values are tried.

The fields of a request and of extensions' controls are axes by their declaration (`webui.axes`);
what is registered is the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from webui.interfaces.server_hooks import GENERATING

AxisKind = Literal["text", "whole", "number", "flag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """`put` changes the request, which it is given as JSON's types, to one of the values; it is
    told all values of the axis too, and raises InvalidRequest where there is nothing to change."""

    label: str  # A1111's word where it has one; recipes and programs call it so
    help: str  # one sentence
    example: str  # what values look like
    put: Callable[[dict[str, Any], Any, Sequence[Any]], None]
    kind: AxisKind = "text"  # of a value; numbers may be written as ranges
    choices: Callable[[Any], Sequence[str]] | None = None  # of `Services`; no values: all of these
    expand: Callable[[Sequence[str]], Sequence[Any]] | None = None  # what is listed -> the values
    cost: float = 0.0  # of going from one value to another: costly ones change least often
    order: int = 0  # lower ones are put first
    tabs: Sequence[str] = GENERATING
    bare: bool = False  # a value says by itself what it is of
    check: Callable[[Any], None] | None = None  # raises InvalidRequest for a value of no request

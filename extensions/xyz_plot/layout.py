"""From what the controls say to the cells of a plot: which value each has, and in which order."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webui import (
    Axis,
    DarkroomError,
    FilterContext,
    GenerationRequest,
    InvalidRequest,
    axes_of,
    request_of,
    to_dict,
    without,
)

from .values import joined, of_axis, written

ID = "xyz_plot"
NOTHING = "Nothing"
LETTERS = ("x", "y", "z")
MOST_CELLS = 500
_SEEDS = ("Seed", "Var. seed")

Cell = tuple[int, int, int]  # places on X, Y and Z


@dataclass(frozen=True, slots=True)
class Line:
    """One of the three axes of a plot."""

    letter: str
    axis: Axis
    values: tuple[Any, ...]
    fixed: bool = False  # random seeds among them were drawn

    @property
    def labels(self) -> list[str]:
        """As they stand at the grid's edge."""
        said = [written(each) for each in self.values]
        return said if self.axis.bare else [f"{self.axis.label}: {each}" for each in said]


@dataclass(frozen=True, slots=True)
class Layout:
    lines: tuple[Line, ...]  # those in use, X before Y before Z
    context: FilterContext

    @property
    def sizes(self) -> tuple[int, int, int]:
        known = {line.letter: len(line.values) for line in self.lines}
        return known.get("x", 1), known.get("y", 1), known.get("z", 1)

    @property
    def count(self) -> int:
        across, down, deep = self.sizes
        return across * down * deep

    def cells(self) -> Iterator[Cell]:
        """In running order: what is costly to change is changed least often, else X most often."""
        cost = {line.letter: line.axis.cost for line in self.lines}
        outer = sorted(range(3), key=lambda at: (-cost.get(LETTERS[at], 0.0), -at))
        sizes = self.sizes
        for first in range(sizes[outer[0]]):
            for second in range(sizes[outer[1]]):
                for third in range(sizes[outer[2]]):
                    place = dict(zip(outer, (first, second, third), strict=True))
                    yield place[0], place[1], place[2]

    def said(self, cell: Cell) -> str:
        """The cell's values in words."""
        places = dict(zip(LETTERS, cell, strict=True))
        return ", ".join(
            f"{each.axis.label} {written(each.values[places[each.letter]])!r}"
            for each in self.lines
        )


def of_context(context: FilterContext) -> Layout:
    """Raises InvalidRequest, naming the axis and the value."""
    given = context.values
    lines: list[Line] = []
    keep = given["keep_random"]
    known = {label.casefold(): axis for label, axis in axes_of(context.services).items()}
    for letter in LETTERS:
        label, text = given[f"{letter}_axis"].strip(), given[f"{letter}_values"]
        if not label or label == NOTHING:
            continue
        axis = known.get(label.casefold())
        if axis is None:
            there = ", ".join(sorted(each.label for each in known.values()))
            raise InvalidRequest(
                f"extras.{ID}.{letter}_axis",
                f"must be {NOTHING} or one of {there}; got {label[:60]!r}",
            )
        if any(line.axis.label == axis.label for line in lines):
            raise InvalidRequest(f"extras.{ID}.{letter}_axis", f"is {axis.label}, as another is")
        try:
            values = of_axis(axis, text, context.services)
        except InvalidRequest as error:
            raise InvalidRequest(f"extras.{ID}.{letter}_values", error.problem) from None
        lines.append(_line(letter, axis, values, keep, context.id))
    layout = Layout(tuple(lines), context)
    if layout.count > MOST_CELLS:
        sizes = " x ".join(str(each) for each in layout.sizes if each > 1)
        raise InvalidRequest(
            f"extras.{ID}.{lines[0].letter}_values",
            f"would make {layout.count} pictures ({sizes}); at most {MOST_CELLS} can be",
        )
    return layout


def _line(letter: str, axis: Axis, values: list[Any], keep: bool, id: str) -> Line:
    if axis.label not in _SEEDS or keep:
        return Line(letter, axis, tuple(values))
    drawn = [_drawn(id, letter, at) if each == -1 else each for at, each in enumerate(values)]
    return Line(letter, axis, tuple(drawn), fixed=True)


def check(layout: Layout) -> None:
    """Before there is a request to put them into. Raises InvalidRequest for a value that none can
    have, in the words of `requests`."""
    for line in layout.lines:
        if line.axis.check is None:
            continue
        for at, value in enumerate(line.values):
            try:
                line.axis.check(value)
            except InvalidRequest as error:
                raise _refused(layout, line, (at, at, at), error) from None


def requests(layout: Layout, request: GenerationRequest) -> list[GenerationRequest]:
    """A request for each cell, in running order. Raises InvalidRequest, naming axis and value."""
    return [_request(layout, request, cell) for cell in layout.cells()]


def _request(layout: Layout, request: GenerationRequest, cell: Cell) -> GenerationRequest:
    try:
        return request_of(layout.context.services, _put(layout, request, cell, layout.lines))
    except DarkroomError as error:
        if len(layout.lines) > 1:
            for line in layout.lines:  # is one of them alone to blame?
                try:
                    request_of(layout.context.services, _put(layout, request, cell, (line,)))
                except DarkroomError as alone:
                    raise _refused(layout, line, cell, alone) from None
        if layout.lines:
            raise _refused(layout, layout.lines[0], cell, error, layout.said(cell)) from None
        raise


def _refused(
    layout: Layout, line: Line, cell: Cell, error: DarkroomError, said: str = ""
) -> InvalidRequest:
    value = line.values[cell[LETTERS.index(line.letter)]]
    return InvalidRequest(
        f"extras.{ID}.{line.letter}_values",
        f"cannot be made at {said or f'{line.axis.label} {written(value)!r}'}: {error}",
    )


def _put(
    layout: Layout, request: GenerationRequest, cell: Cell, lines: tuple[Line, ...]
) -> dict[str, Any]:
    values = to_dict(without(request, ID))
    _vary(layout, values, cell)
    for line in sorted(lines, key=lambda each: (each.axis.order, each.letter)):
        value = line.values[cell[LETTERS.index(line.letter)]]
        if line.axis.label in _SEEDS:
            value = _seed(layout, line, value, cell)
        line.axis.put(values, value, line.values)
    return values


def _vary(layout: Layout, values: dict[str, Any], cell: Cell) -> None:
    """Random seeds that are kept are drawn for each cell; others count up where that is asked."""
    given, asked, id = layout.context.values, layout.context.asked, layout.context.id
    if given["keep_random"]:
        if asked.get("seed", -1) == -1:
            values["seed"] = _drawn(id, "seed", *cell)
        varied = asked.get("variation")
        if isinstance(varied, Mapping) and varied.get("seed", -1) == -1 and values["variation"]:
            values["variation"]["seed"] = _drawn(id, "variation", *cell)
    values["seed"] = (values["seed"] + _away(layout, cell)) % 2**32


def _seed(layout: Layout, line: Line, value: int, cell: Cell) -> int:
    if value == -1:
        return _drawn(layout.context.id, line.letter, *cell)
    if line.axis.label != "Seed" or not 0 <= value < 2**32:
        return value  # a wrong one is refused as any other
    return (value + _away(layout, cell)) % 2**32


def _away(layout: Layout, cell: Cell) -> int:
    """How far the cell's seed is from the first's: along each axis that varies seeds."""
    given, sizes, step, away = layout.context.values, layout.sizes, 1, 0
    for letter, place, size in zip(LETTERS, cell, sizes, strict=True):
        if given[f"vary_{letter}"]:
            away += place * step
            step *= size
    return away


def _drawn(*of: object) -> int:
    """A seed, the same each time for the same plot and place."""
    text = "/".join(map(str, of))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def fixed(line: Line) -> str:
    """The values with the seeds that were drawn, as A1111 writes them."""
    return joined(line.values) if line.fixed else ""

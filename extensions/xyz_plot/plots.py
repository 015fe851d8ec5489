"""Plots as they are kept: a JSON file each in the extension's folder, which a restart reads.

A plot is there before its jobs are, and names them; what has become of a cell, its job says.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from webui import DarkroomError, GenerationRequest, InvalidRequest, from_dict, to_dict

from .layout import ID, Layout, fixed

MOST_KEPT = 200  # plots; older ones that are over go
_MOST_FILE = 4 * 2**20  # bytes
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    letter: str
    label: str
    values: tuple[str, ...]  # as they stand at the edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    id: str  # of its first job
    created: float  # unix seconds
    axes: tuple[Axis, ...]
    cells: tuple[tuple[int, int, int], ...]  # in running order
    jobs: tuple[tuple[str, ...], ...]  # of each cell
    request: dict[str, Any] = field(default_factory=dict)  # the recipe of the whole plot
    legend: bool = True
    margin: int = 0  # pixels
    over: bool = False  # all its jobs have ended
    grid: str = ""  # path of the finished picture, relative to the outputs; "" without one

    @property
    def sizes(self) -> tuple[int, int, int]:
        known = {each.letter: len(each.values) for each in self.axes}
        return known.get("x", 1), known.get("y", 1), known.get("z", 1)

    def recipe(self) -> GenerationRequest:
        return from_dict(self.request)


def made(layout: Layout, request: GenerationRequest, jobs: Sequence[Sequence[str]]) -> Plot:
    given = layout.context.values
    drawn = {f"{line.letter}_fixed": fixed(line) for line in layout.lines}
    whole = replace(request, extras={**request.extras, ID: {**given, **drawn}})
    return Plot(
        id=jobs[0][0],
        created=time.time(),
        axes=tuple(
            Axis(letter=line.letter, label=line.axis.label, values=tuple(line.labels))
            for line in layout.lines
        ),
        cells=tuple(layout.cells()),
        jobs=tuple(tuple(each) for each in jobs),
        request=to_dict(whole),
        legend=given["legend"],
        margin=given["margin"],
    )


def write(folder: Path, plot: Plot) -> None:
    """Whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{plot.id}.{secrets.token_hex(4)}.part"
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(asdict(plot), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / f"{plot.id}.json")
    finally:
        part.unlink(missing_ok=True)


def read(folder: Path, id: str) -> Plot | None:
    """None for one that is not there, or cannot be read."""
    if not _ID.fullmatch(id):
        return None
    path = folder / f"{id}.json"
    try:
        if path.stat().st_size > _MOST_FILE:
            return None
        return _plot(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, DarkroomError):
        return None


def _plot(values: Mapping[str, Any]) -> Plot:
    """Raises ValueError, TypeError, KeyError, InvalidRequest for what is none."""
    axes = tuple(
        Axis(letter=each["letter"], label=each["label"], values=tuple(each["values"]))
        for each in values["axes"]
    )
    cells = tuple((int(x), int(y), int(z)) for x, y, z in values["cells"])
    jobs = tuple(tuple(map(str, each)) for each in values["jobs"])
    plot = Plot(**{**values, "axes": axes, "cells": cells, "jobs": jobs})
    across, down, deep = plot.sizes
    inside = all(0 <= x < across and 0 <= y < down and 0 <= z < deep for x, y, z in cells)
    if not inside or len(jobs) != len(cells) or not isinstance(plot.request, dict):
        raise ValueError("cells and axes do not fit")
    try:
        plot.recipe()
    except InvalidRequest:
        return replace(plot, request={}, over=True)
    return plot


def ids(folder: Path) -> list[str]:
    """The newest first."""
    found = []
    with suppress(OSError):
        found = [(each.stat().st_mtime_ns, each.stem) for each in folder.glob("*.json")]
    return [id for _, id in sorted(found, reverse=True)]


def sweep(folder: Path) -> None:
    """Old ones go; their pictures stay."""
    for id in ids(folder)[MOST_KEPT:]:
        plot = read(folder, id)
        if plot is None or plot.over:
            with suppress(OSError):
                (folder / f"{id}.json").unlink(missing_ok=True)

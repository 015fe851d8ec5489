"""What the page asks of plots: the axes there are, what a plot would be, how far one is."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, HTTPException, Query

from webui import Axis, FilterContext, InvalidRequest, Services, axes_of

from . import plots
from .keeper import Keeper, folder_of
from .layout import ID, LETTERS, NOTHING, check, of_context
from .plots import Plot
from .values import joined

_MOST_CHOICES = 500
_MADE = ("done", "stopped")
_OVER = (*_MADE, "failed", "cancelled", "gone")


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix=f"/api/v1/extensions/{ID}")
    keeper = Keeper(services)

    @router.get("/axes")
    def axes(tab: Annotated[str, Query(max_length=40)] = "txt2img") -> dict[str, Any]:
        """The axes of a tab: label, help, an example, and all values where they are known."""
        known = [axis for axis in axes_of(services).values() if tab in axis.tabs]
        return {"axes": [_axis(services, each) for each in known]}

    @router.post("/look")
    def look(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """What a plot with these controls would be: how many pictures, about how long."""
        return _looked(services, body)

    @router.get("/plots")
    def newest(limit: Annotated[int, Query(ge=1, le=50)] = 10) -> dict[str, Any]:
        """The newest first: their ids, and whether they are over."""
        known = (plots.read(folder_of(services), id) for id in plots.ids(folder_of(services)))
        listed = [
            {"id": plot.id, "over": plot.over or bool(keeper.problem(plot.id))}
            for plot in known
            if plot is not None
        ]
        return {"plots": listed[:limit]}

    @router.get("/plots/{plot}")
    def one(plot: str) -> dict[str, Any]:
        return _view(services, keeper, _found(services, plot))

    @router.post("/plots/{plot}/cancel")
    def cancel(plot: str) -> dict[str, Any]:
        """Ends all cells that wait or run; what is finished stays."""
        return {"cancelled": keeper.cancel(_found(services, plot))}

    return router


def _found(services: Services, id: str) -> Plot:
    plot = plots.read(folder_of(services), id)
    if plot is None:
        raise HTTPException(404, "there is no such plot")
    return plot


def _axis(services: Services, axis: Axis) -> dict[str, Any]:
    said = {"label": axis.label, "help": axis.help, "example": axis.example}
    try:
        return {**said, "choices": _choices(services, axis), "problem": ""}
    except InvalidRequest as error:  # another extension's, which is named in it
        return {**said, "choices": "", "problem": error.problem}


def _choices(services: Services, axis: Axis) -> str:
    """As they would be written."""
    if axis.choices is None:
        return ""
    names = [f'"{name}"' if "," in name else name for name in axis.choices(services)]
    return joined(names[:_MOST_CHOICES])


def _looked(services: Services, body: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"keep_random": False}
    for letter in LETTERS:
        label, text = body.get(f"{letter}_axis", NOTHING), body.get(f"{letter}_values", "")
        if not isinstance(label, str) or not isinstance(text, str):
            raise InvalidRequest(f"{letter}_values", "must be text")
        given |= {f"{letter}_axis": label, f"{letter}_values": text}
    context = FilterContext(values=given, folder=Path(), services=services)
    try:
        layout = of_context(context)
        check(layout)
    except InvalidRequest as error:
        return {"cells": 0, "field": error.field, "problem": error.problem}
    free = services.settings.max_waiting - services.line.waiting()
    return {
        "cells": layout.count if layout.lines else 0,
        "sizes": layout.sizes,
        "seconds": _seconds(services, layout.count),
        "free": max(0, free),
        "problem": "",
    }


def _seconds(services: Services, count: int) -> float | None:
    """By the last picture that was made; None before the first."""
    for job in services.line.jobs(1, ("done",)):
        made = [each.seconds for each in job.pictures if each.image >= 0]
        return max(made) * count if made else None
    return None


def _view(services: Services, keeper: Keeper, plot: Plot) -> dict[str, Any]:
    problem = keeper.problem(plot.id)
    cells, done, active = [], 0, 0
    for place, jobs in zip(plot.cells, plot.jobs, strict=True):
        cell = keeper.cell(jobs)
        done += cell["state"] in _MADE
        active += cell["state"] not in _OVER
        cells.append({**cell, "place": place, "url": _url(cell["picture"])})
    return {
        "id": plot.id,
        "axes": [
            {"letter": each.letter, "label": each.label, "values": each.values}
            for each in plot.axes
        ],
        "sizes": plot.sizes,
        "cells": cells,
        "done": done,
        "of": len(cells),
        "active": active,
        "over": plot.over or bool(problem),
        "problem": problem,
        "seconds": _left(services, cells),
        "grid": _url(plot.grid),
    }


def _left(services: Services, cells: list[dict[str, Any]]) -> float | None:
    """Seconds until the last cell is there, by the last picture's."""
    left = sum(cell["state"] not in _OVER for cell in cells)
    return _seconds(services, left) if left else None


def _url(path: str) -> str:
    return f"api/v1/pictures/{quote(path)}" if path else ""

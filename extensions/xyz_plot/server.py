"""X/Y/Z plot: the controls, the cells that a request becomes, and what the recipe says of them.

The plot is A1111's script of that name: its axes, its values, its keys in the grid's text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter

from webui import (
    Axis,
    ControlGroup,
    FilterContext,
    FlagField,
    GenerationRequest,
    IntegerField,
    InvalidRequest,
    MetadataField,
    PageFile,
    RequestFilter,
    Services,
    TextField,
    axes_of,
    hookimpl,
)

from . import plots
from .axes import AXES
from .keeper import finished, folder_of
from .layout import ID, LETTERS, NOTHING, of_context, requests
from .routes import router
from .values import LONGEST

SCRIPT = "X/Y/Z plot"


def _menu(services: Services, tab: str) -> Sequence[str]:
    return [NOTHING, *(label for label, axis in axes_of(services).items() if tab in axis.tabs)]


def _fields() -> Iterator[TextField]:
    for letter in LETTERS:
        name = letter.upper()
        yield TextField(
            name=f"{letter}_axis",
            label=f"{name} type",
            default=NOTHING,
            max_length=200,
            help={"x": "From left to right.", "y": "From top to bottom.", "z": "Grid under grid."}[
                letter
            ],
            metadata=f"{name} Type",
        )
        yield TextField(
            name=f"{letter}_values",
            label=f"{name} values",
            max_length=LONGEST,
            help="With commas between; ranges as 1-5, 1-10 (+2), 1-10 [5].",
            metadata=f"{name} Values",
        )


GROUP = ControlGroup(
    name=ID,
    title=SCRIPT,
    help="A picture for every value of one setting, or of two or three against each other. Each "
    "picture is a job of its own with a recipe of its own.",
    fields=(
        FlagField(name="on", label=SCRIPT, help="Generate makes the grid."),
        *_fields(),
        FlagField(
            name="legend", label="Draw legend", default=True, help="The values, at the grid's edge."
        ),
        FlagField(
            name="keep_random",
            label="Keep -1 for seeds",
            help="A random seed is drawn for each picture, not once for all.",
        ),
        *(
            FlagField(
                name=f"vary_{letter}",
                label=f"Vary seeds for {letter.upper()}",
                help="The seed counts up along this axis.",
            )
            for letter in LETTERS
        ),
        IntegerField(
            name="margin",
            label="Grid margins (px)",
            default=0,
            minimum=0,
            maximum=500,
            step=2,
            help="Between the pictures of the grid.",
        ),
    ),
    written=tuple(
        TextField(
            name=f"{letter}_fixed",
            label=f"Fixed {letter.upper()} values",
            help="With the seeds that were drawn.",
        )
        for letter in LETTERS
    ),
    menus={f"{letter}_axis": _menu for letter in LETTERS},
    axes=False,
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    # before all others: what they do is done to each cell, and their controls are axes
    return (RequestFilter(needs=ID, apply=cells, placed=placed, sheet=finished, order=-1000),)


@hookimpl
def register_metadata_fields() -> Sequence[MetadataField]:
    return (
        MetadataField(
            key="Script",
            of=lambda request: SCRIPT if _of_plot(request, "on") else None,
            means=lambda text: {f"{ID}.on": True} if text == SCRIPT else None,
        ),
        *(
            MetadataField(key=f"Fixed {letter.upper()} Values", of=partial(_fixed, letter))
            for letter in LETTERS
        ),
    )


@hookimpl
def register_axes() -> Sequence[Axis]:
    return AXES


@hookimpl
def register_routes() -> Sequence[Callable[[Services], APIRouter]]:
    return (router,)


@hookimpl
def register_scripts() -> Sequence[PageFile]:
    return (PageFile(file="axes.js"), PageFile(file="plot.js"))


@hookimpl
def register_styles() -> Sequence[PageFile]:
    return (PageFile(file="plot.css"),)


def _of_plot(request: GenerationRequest, name: str) -> Any:
    values: Mapping[str, Any] = request.extras.get(ID, {})
    return values.get(name)


def _fixed(letter: str, request: GenerationRequest) -> str | None:
    return _of_plot(request, f"{letter}_fixed") or None


def cells(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """A request for each cell, in running order. Raises InvalidRequest."""
    if not context.values["on"]:
        return [request]
    layout = of_context(context)
    if not layout.lines:
        raise InvalidRequest(f"extras.{ID}.x_axis", "is Nothing, and so are Y and Z; choose one")
    services: Services = context.services
    free = services.settings.max_waiting - services.line.waiting()
    if layout.count > free:
        raise InvalidRequest(
            f"extras.{ID}.{layout.lines[0].letter}_values",
            f"would make {layout.count} jobs, but {max(0, free)} more have room in the queue",
        )
    return requests(layout, request)


def placed(
    request: GenerationRequest, context: FilterContext, jobs: Sequence[Sequence[str]]
) -> None:
    """Keeps the plot, before its jobs are in the line."""
    if context.values["on"]:
        folder = folder_of(context.services)
        if plots.read(folder, jobs[0][0]) is None:  # else it was sent twice
            plots.write(folder, plots.made(of_context(context), request, jobs))

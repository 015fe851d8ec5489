"""The switch of the heat maps, and the address at which the page finds them."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path

from webui import ControlGroup, FlagField, PageFile, Services, hookimpl

_MOST = 2**20  # bytes of one step's maps
Number = Annotated[int, Path(ge=0, le=10**6)]

GROUP = ControlGroup(
    name="heat_maps",
    title="Word heat maps",
    help="While the job runs, where the network looks at each word is kept for every step; the "
    "timeline shows it over the picture.",
    fields=(
        FlagField(
            name="on",
            label="Keep heat maps",
            help="Takes about a tenth more time, and changes nothing in the picture.",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_scripts() -> Sequence[PageFile]:
    return (PageFile(file="heat_maps.js"),)


@hookimpl
def register_styles() -> Sequence[PageFile]:
    return (PageFile(file="heat_maps.css"),)


@hookimpl
def register_routes() -> Sequence[Callable[[Services], APIRouter]]:
    return (router,)


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/extensions/heat_maps")

    @router.get("/{job}/{batch}/{turn}/{step}/{position}")
    def maps(job: str, batch: Number, turn: Number, step: Number, position: Number) -> Any:
        """The words of the prompt at a step, and for each a map of values from 0 to 255, row by
        row; 404 where none were kept."""
        folder = services.trajectories.folder(services.line.job(job).id) / "heat_maps"
        file = folder / f"{batch}.{turn}.{step}.{position}"
        try:
            if file.stat().st_size > _MOST:
                raise HTTPException(404, "there are no heat maps of this step")
            head, _, data = file.read_bytes().partition(b"\n")
        except OSError:
            raise HTTPException(404, "there are no heat maps of this step") from None
        said = json.loads(head)
        cells = said["width"] * said["height"]
        values = [list(data[at : at + cells]) for at in range(0, len(data), cells)]
        return {**said, "maps": values}

    return router

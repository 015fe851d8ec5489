"""The upscalers there are, those that need no file first, with each one's problem if it has one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services
from webui.upscalers import UpscalerFile


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["upscalers"])

    @router.get("/upscalers", **says(list[lists.Upscaler]))
    def listed() -> list[dict[str, Any]]:
        """Looks at the folders each time. `scale` is null where any size can be asked for, and
        where it is known only once the file is loaded."""
        registered = services.registry.upscalers
        files = [_free(file, registered) for file in services.upscalers.files()]
        usable = {each.name.casefold() for each in files if each.problem is None}
        # a file with a problem beside a usable one of its name says nothing new
        shown = [f for f in files if f.problem is None or f.name.casefold() not in usable]
        return [
            *(
                {"name": each.name, "kind": each.kind, "scale": None, "help": each.help,
                 "problem": None}
                for each in registered.values()
            ),
            *map(_file, shown),
        ]  # fmt: skip

    return router


def _free(file: UpscalerFile, registered: Mapping[str, object]) -> UpscalerFile:
    """With a problem if one that needs no file is called the same."""
    taken = next((name for name in registered if name.casefold() == file.name.casefold()), None)
    if taken is None or file.problem is not None:
        return file
    return replace(file, problem=f"the name is taken by {taken}, which needs no file; rename it")


def _file(file: UpscalerFile) -> dict[str, Any]:
    network = file.layout.architecture if file.layout else ""
    return {
        "name": file.name,
        "kind": "model",
        "scale": file.scale,
        "help": network,
        "problem": file.problem,
    }

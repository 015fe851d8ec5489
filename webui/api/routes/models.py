"""The models there are, with the problem of each that cannot be used."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    library = services.library

    @router.get("", **says(lists.Models))
    def listed() -> dict[str, Any]:
        default = library.default()
        return {"models": [schema.model(entry, default) for entry in library.entries()]}

    @router.post("/refresh", **says(lists.Models))
    def refresh() -> dict[str, Any]:
        """Reads the folder again."""
        library.refresh()
        return listed()

    return router

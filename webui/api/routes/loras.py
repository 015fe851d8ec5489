"""The LoRAs there are, as their headers tell."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/loras", tags=["loras"])

    @router.get("", **says(lists.Loras, errors=(404,)))
    def listed(model: str | None = None) -> dict[str, Any]:
        """As a model sees them, by default the one that ships: `problem` is why it cannot use one.

        404 if there is no such model.
        """
        name = model if model is not None else services.library.default()
        entry = services.library.find(name) if name is not None else None
        found = services.loras.entries()
        return {"model": name, "loras": [schema.lora(each, entry) for each in found]}

    return router

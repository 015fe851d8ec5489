"""The LoRAs there are, and the pictures beside them."""

from typing import Any

from fastapi import APIRouter, HTTPException, Response

from webui import pictures
from webui.api import schema
from webui.errors import InvalidRequest
from webui.loras.catalogue import preview_of
from webui.services import Services

_MOST = 32 * 2**20  # bytes of a picture
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/loras", tags=["loras"])

    @router.get("")
    def listed(model: str | None = None) -> dict[str, Any]:
        """As a model sees them, by default the one that ships: `problem` is why it cannot use one.

        404 if there is no such model.
        """
        name = model if model is not None else services.library.default()
        entry = services.library.find(name) if name is not None else None
        found = services.loras.entries()
        return {"model": name, "loras": [schema.lora(each, entry) for each in found]}

    return router

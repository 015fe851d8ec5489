"""The embeddings there are, and new ones made of a mix."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.body import JsonObject
from webui.embeddings import token_widths
from webui.services import Services, save_embedding


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/embeddings", tags=["embeddings"])

    @router.get("")
    def listed(model: str | None = None) -> dict[str, Any]:
        """As a model sees them, by default the one that ships: `problem` is why it cannot use one.

        404 if there is no such model.
        """
        name = model if model is not None else services.library.default()
        widths = token_widths(services.library.find(name).folder) if name is not None else {}
        entries = services.embeddings.entries()
        return {"model": name, "embeddings": [schema.embedding(each, widths) for each in entries]}

    @router.post("", status_code=201)
    def save(body: JsonObject) -> dict[str, Any]:
        """{"name", "text", "model"}: what the text's tokens are becomes a file of that name."""
        made = save_embedding(services, body)
        return {"embedding": schema.embedding(made, {"": made.parts[""].width})}

    return router

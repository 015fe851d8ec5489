"""The embeddings there are, and new ones made of a mix."""

import threading
from typing import Any

from fastapi import APIRouter, HTTPException

from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.services import Services, save_embedding

_MAKING = 2  # at once, each of which holds a thread until the engine has time for it


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/embeddings", tags=["embeddings"])
    making = threading.BoundedSemaphore(_MAKING)

    @router.get("", **says(lists.Embeddings, errors=(404,)))
    def listed(model: str | None = None) -> dict[str, Any]:
        """As a model sees them, by default the one that ships: `problem` is why it cannot use one.

        404 if there is no such model.
        """
        name = model if model is not None else services.library.default()
        widths = services.library.find(name).token_widths if name is not None else {}
        entries = services.embeddings.entries()
        return {"model": name, "embeddings": [schema.embedding(each, widths) for each in entries]}

    @router.post(
        "", **says(lists.SavedEmbedding, status=201, body=bodies.NewEmbedding, errors=(503, 507))
    )
    def save(body: JsonObject) -> dict[str, Any]:
        """{"name", "text", "model"}: what the text's tokens are becomes a file of that name."""
        if not making.acquire(blocking=False):
            raise HTTPException(503, "other embeddings are being made", {"Retry-After": "5"})
        try:
            made = save_embedding(services, body)
        finally:
            making.release()
        return {"embedding": schema.embedding(made, {"": made.parts[""].width})}

    return router

"""The denoising of a picture as a file."""

import threading
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from webui import exports
from webui.api import schema
from webui.api.body import JsonObject
from webui.services import Services

_AT_ONCE = 2  # each holds its frames in memory
_MOST = 10**6  # pictures; no job has as many


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["exports"])
    making = threading.BoundedSemaphore(_AT_ONCE)

    def made(id: str, image: int, values: dict[str, Any]) -> Response:
        asked = exports.wanted(values)
        if not making.acquire(blocking=False):
            raise HTTPException(503, "other films are being made; ask again", {"Retry-After": "5"})
        try:
            file = exports.export(services, id, image, asked)
        finally:
            making.release()
        disposition = f'attachment; filename="{file.name}"'
        return Response(
            file.data, media_type=file.media_type, headers={"Content-Disposition": disposition}
        )

    @router.get("/{id}/export", response_class=Response)
    def get(
        id: str,
        image: Annotated[int, Query(ge=0, le=_MOST)] = 0,
        format: str = "mp4",
        view: str = "predicted",
        method: str = "fast",
        rate: float = 8.0,
        size: int = 512,
    ) -> Response:
        """As a link: format mp4, webp, gif or sheet; view noisy, predicted, both or guidance."""
        asked = {"format": format, "view": view, "method": method, "rate": rate, "size": size}
        return made(id, image, asked)

    @router.post("/{id}/export", response_class=Response)
    def post(id: str, body: JsonObject) -> Response:
        """{"image"?, "format"?, "view"?, "method"?, "rate"?, "size"?}"""
        values = dict(body)
        image = schema.whole(values, "image", 0)
        values.pop("image", None)
        return made(id, image, values)

    return router

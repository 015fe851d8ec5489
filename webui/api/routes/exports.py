"""The denoising of a picture as a file."""

import threading
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from webui import exports
from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies
from webui.api.openapi.says import files, says
from webui.services import Services

_AT_ONCE = 2  # each holds its frames in memory
_FILES = files("video/mp4", "image/webp", "image/gif", "image/jpeg")
_ERRORS = (409, 503)
_POSTED = says(content=_FILES, body=bodies.NewExport, errors=_ERRORS)
_MOST = 10**6  # pictures; no job has as many


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["exports"])
    making = threading.BoundedSemaphore(_AT_ONCE)

    def made(id: str, image: int, turn: int, values: dict[str, Any]) -> Response:
        asked = exports.wanted(values)
        if not making.acquire(blocking=False):
            raise HTTPException(503, "other films are being made; ask again", {"Retry-After": "5"})
        try:
            file = exports.export(services, id, image, asked, turn)
        finally:
            making.release()
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return Response(file.data, media_type=file.media_type, headers=headers)

    @router.get("/{id}/export", response_class=Response, **says(content=_FILES, errors=_ERRORS))
    def get(
        id: str,
        image: Annotated[int, Query(ge=0, le=_MOST)] = 0,
        format: str = "mp4",
        view: str = "predicted",
        method: str = "fast",
        rate: float = 8.0,
        size: int = 512,
        turn: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    ) -> Response:
        """As a link."""
        asked = {"format": format, "view": view, "method": method, "rate": rate, "size": size}
        return made(id, image, turn, asked)

    @router.post("/{id}/export", response_class=Response, **_POSTED)
    def post(id: str, body: JsonObject) -> Response:
        image, turn = (schema.whole(body, name, 0) for name in ("image", "turn"))
        asked = {key: value for key, value in body.items() if key not in ("image", "turn")}
        return made(id, image, turn, asked)

    return router

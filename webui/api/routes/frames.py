"""Previews of a job's steps, also long after it ran, as far as its steps are kept."""

import threading
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import Response

from webui.api.openapi.says import files, says
from webui.events import Look, ViewKind
from webui.jobs.job import Frame
from webui.jobs.log import encode
from webui.services import Services

_MOST = 10**6  # batches and steps; no job has as many
_LONGEST = 2048  # pixels, of one picture alone
_MAKING = 4  # frames at once, each of which holds a thread until the engine has made it
_FRAME = says(content=files("image/png", "image/jpeg", "image/webp"), errors=(409, 503))
Number = Annotated[int, Path(ge=0, le=_MOST)]


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["frames"])
    line, making = services.line, threading.BoundedSemaphore(_MAKING)

    def found(id: str, look: Look) -> Frame | None:
        """From memory at once; made again only while few others are. Raises HTTPException."""
        if look.method not in services.registry.previews:
            return None
        if drawn := line.drawn(id, look):
            return drawn
        if not making.acquire(blocking=False):
            raise HTTPException(503, "other steps are being drawn; ask again", {"Retry-After": "1"})
        try:
            if look.position is None:
                return line.frame(id, look)
            alone = line.picture(id, look)
            return encode(alone, _LONGEST) if alone else None
        finally:
            making.release()

    @router.get("/{id}/frames/{batch}/{step}/{kind}", response_class=Response, **_FRAME)
    def frame(
        id: str,
        batch: Number,
        step: Number,
        kind: ViewKind,
        method: str = "fast",
        position: Annotated[int | None, Query(ge=0, le=_MOST)] = None,
        turn: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    ) -> Response:
        """Of the whole batch; with a `position` of that picture alone, in its own size."""
        shown = found(id, Look(batch, step, kind, method, position, turn))
        if shown is None:
            raise HTTPException(404, "that step is not kept")
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(shown.data, media_type=shown.media_type, headers=headers)

    return router

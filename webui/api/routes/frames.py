"""Previews of a job's steps, also long after it ran, as far as its steps are kept."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import Response

from webui.events import PreviewKind
from webui.services import Services

_MOST = 10**6  # batches and steps; no job has as many
Number = Annotated[int, Path(ge=0, le=_MOST)]


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["frames"])

    @router.get("/{id}/frames/{batch}/{step}/{kind}", response_class=Response)
    def frame(
        id: str, batch: Number, step: Number, kind: PreviewKind, method: str = "fast"
    ) -> Response:
        found = None
        if method in services.registry.previews:
            found = services.line.frame(id, batch, step, kind, method)
        if found is None:
            raise HTTPException(404, "that step is not kept")
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(found.data, media_type=found.media_type, headers=headers)

    return router

"""A job's pictures by their numbers, for programs that know its id alone."""

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path

from webui.api.kept_file import KeptFile
from webui.api.openapi.says import files, says
from webui.api.routes.pictures import contained
from webui.pictures import MEDIA_TYPES
from webui.services import Services

Number = Annotated[int, Path(ge=-1, le=10**6)]


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["pictures"])

    @router.get(
        "/{id}/pictures/{image}",
        response_class=KeptFile,
        **says(content=files(*sorted(set(MEDIA_TYPES.values())))),
    )
    def picture(id: str, image: Number) -> KeptFile:
        """Picture `image`, from 0, as it was saved; -1 is the grid. 404 until it is there."""
        saved = {each.image: each.path for each in services.line.job(id).pictures}
        found = contained(services.settings.outputs, saved[image]) if image in saved else None
        if found is None:
            raise HTTPException(404, f"job {id[:80]} has no picture {image}, or not yet")
        return _file(found)

    return router


def _file(found: FilePath) -> KeptFile:
    return KeptFile(
        found,
        media_type=MEDIA_TYPES[found.suffix],
        filename=found.name,
        content_disposition_type="inline",
        headers={"Cache-Control": "private, max-age=86400"},
    )

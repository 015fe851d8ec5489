"""Saved pictures, from where they lie; nothing else, and nothing hidden."""

import stat
from pathlib import Path

from fastapi import APIRouter, HTTPException

from webui.api.kept_file import KeptFile
from webui.api.openapi.says import files, says
from webui.pictures import MEDIA_TYPES
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/pictures", tags=["pictures"])

    @router.get(
        "/{path:path}",
        response_class=KeptFile,
        **says(content=files(*sorted(set(MEDIA_TYPES.values())))),
    )
    def picture(path: str, download: bool = False) -> KeptFile:
        found = contained(services.settings.outputs, path)
        if found is None:
            raise HTTPException(404, "there is no such picture")
        return KeptFile(
            found,
            media_type=MEDIA_TYPES[found.suffix],
            filename=found.name,
            content_disposition_type="attachment" if download else "inline",
            headers={"Cache-Control": "private, max-age=86400"},
        )

    return router


def contained(folder: Path, path: str) -> Path | None:
    """The regular picture file at `path` in `folder`, links followed; None for anything else."""
    parts = path.split("/")
    if "\\" in path or ":" in path or any(not part or part.startswith(".") for part in parts):
        return None
    try:
        home, found = folder.resolve(), folder.joinpath(*parts).resolve()
        inside = found.is_relative_to(home) and found.suffix in MEDIA_TYPES
        hidden = inside and any(each.startswith(".") for each in found.relative_to(home).parts)
        if not inside or hidden or not stat.S_ISREG(found.stat().st_mode):
            return None
    except (OSError, ValueError, RuntimeError):  # not there, NUL, too long, links in a circle
        return None
    return found

"""Pictures that requests begin with: sent in, copied from what was saved here, looked at."""

import threading
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from webui.api import schema
from webui.api.body import JsonObject, picture_bytes
from webui.api.kept_file import KeptFile
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import PICTURES, files, says
from webui.api.routes.pictures import contained
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.seen import Looks
from webui.services import Services

_ARRIVING = 6  # pictures' files, held in memory
_DECODED = 2  # of them at once, with their pixels

_PICTURE_IN = says(lists.KeptInput, status=201, errors=(503, 507))
_PICTURE_IN["openapi_extra"]["requestBody"] = {"required": True, "content": files(*PICTURES)}


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/inputs", tags=["inputs"])
    decoding = threading.BoundedSemaphore(_DECODED)
    _add_sent(router, services, decoding)
    _add_copies(router, services, decoding)
    _add_seen(router, services)
    return router


def _add_sent(router: APIRouter, services: Services, decoding: threading.BoundedSemaphore) -> None:
    arriving = threading.BoundedSemaphore(_ARRIVING)

    async def sent(request: Request) -> AsyncIterator[bytes]:
        if not arriving.acquire(blocking=False):
            raise HTTPException(503, "other pictures are being read", {"Retry-After": "1"})
        try:
            yield await picture_bytes(request)
        finally:
            arriving.release()

    @router.post("", **_PICTURE_IN)
    def add(body: Annotated[bytes, Depends(sent)]) -> dict[str, Any]:
        """A picture's bytes as image/*; what the file says besides its pixels is not kept."""
        with decoding:
            return asdict(services.inputs.add(body))


def _add_copies(
    router: APIRouter, services: Services, decoding: threading.BoundedSemaphore
) -> None:
    @router.post(
        "/copies", **says(lists.KeptInput, status=201, body=bodies.InputCopy, errors=(404, 507))
    )
    def copy(body: JsonObject) -> dict[str, Any]:
        """{"job": id, "image": n}: a picture that this server saved; -1 is the grid."""
        schema.check_known(body, ("job", "image"))
        job, image = services.line.job(schema.text(body, "job", "") or ""), body.get("image", 0)
        saved = {each.image: each for each in job.pictures}
        if type(image) is not int or image not in saved:
            known = ", ".join(str(each) for each in sorted(saved)) or "none yet"
            raise InvalidRequest("image", f"must be a saved one, {known}; got {shown(image)}")
        path = contained(services.settings.outputs, saved[image].path)
        if path is None:
            raise InvalidRequest("image", f"{saved[image].path} is not there any more")
        with decoding:
            return asdict(services.inputs.add(path.read_bytes()))


def _add_seen(router: APIRouter, services: Services) -> None:
    looks = Looks(services)

    @router.get("/{sha256}", response_class=KeptFile, **says(content=files("image/png")))
    def picture(sha256: str) -> KeptFile:
        """A picture that was sent in, or one of those that /seen names."""
        path = services.inputs.path(sha256) or looks.shown.path(sha256)
        if path is None:
            raise HTTPException(404, "there is no such picture")
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return KeptFile(path, media_type="image/png", headers=headers)

    @router.post("/seen", **says(lists.SeenAnswer, body=bodies.SeenBody, errors=(503, 507)))
    def seen(body: JsonObject) -> dict[str, Any]:
        """{"init": {...}, "width"?, "height"?, "model"?}: what the model would be shown."""
        found = asdict(looks.look(body))
        images = {name: found.pop(name) for name in ("start", "mask", "latent_mask")}
        return {**found, "images": images}

"""How a picture was made, read from its file or from a text: values for the form.

Nothing is kept of what is sent, and nothing here starts a job.
"""

import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from webui import recipes
from webui.api import schema
from webui.api.body import media_type, picture_bytes
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import PICTURES, files, says
from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse
from webui.metadata import NAME
from webui.pictures import Header, hidden, look
from webui.services import Services

MAX_TEXT = 2**20  # characters of a text
_OR_TEXT = " or application/json"
_AT_ONCE = 4  # pictures, each of which is held in memory, and as many texts

_READ = says(lists.RecipeRead, body=bodies.RecipeText, errors=(503,))
_READ["openapi_extra"]["requestBody"]["content"] |= files(*PICTURES)


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/recipes", tags=["recipes"])
    reading, looking_up = (threading.BoundedSemaphore(_AT_ONCE) for _ in range(2))

    async def sent(request: Request) -> AsyncIterator[bytes | str]:
        """A picture's bytes, or a text, which waits for no picture."""
        is_text = media_type(request) == "application/json"
        places = looking_up if is_text else reading
        if not places.acquire(blocking=False):
            raise HTTPException(503, "other recipes are being read", {"Retry-After": "1"})
        try:
            yield _text(await request.body()) if is_text else await picture_bytes(request, _OR_TEXT)
        finally:
            places.release()

    @router.post("", **_READ)
    def read(body: Annotated[bytes | str, Depends(sent)]) -> dict[str, Any]:
        """A picture's bytes as image/*, or {"text": "..."} as application/json."""
        header = _looked(body) if isinstance(body, bytes) else None
        parameters = header.parameters if header else str(body)
        record = header.text(NAME) if header else None
        found = recipes.read(services.recipe_tables, parameters, record)
        return {
            "source": found.source,
            "tab": found.tab,
            "values": found.values,
            "lost": [asdict(each) for each in found.lost],
            "request": found.request,
            "parameters": parameters,
            "pairs": [list(pair) for pair in found.pairs],
            "chunks": [asdict(chunk) for chunk in header.chunks] if header else [],
            "picture": _picture(header) if header else None,
        }

    return router


def _looked(data: bytes) -> Header:
    """With the text that its pixels hide, where it has no other."""
    header = look(data)
    if header.parameters is None and header.text(NAME) is None:
        with suppress(InvalidRequest):  # its pixels are damaged; what was looked at stays
            if found := hidden(data, header):
                return replace(header, chunks=(*header.chunks, found))
    return header


def _picture(header: Header) -> dict[str, Any]:
    return {
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "mode": header.mode,
    }


def _text(body: bytes) -> str:
    try:
        values = parse(body)
    except NotStrictError as error:
        raise HTTPException(400, f"the body {error}") from None
    if not isinstance(values, dict):
        raise InvalidRequest("request", "must be a JSON object")
    schema.check_known(values, ("text",))
    text = schema.text(values, "text", None)
    if text is None:
        raise InvalidRequest("text", "is missing")
    if len(text) > MAX_TEXT:
        raise InvalidRequest("text", f"has {len(text)} characters; at most {MAX_TEXT} are read")
    return text

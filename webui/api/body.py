"""A request's body: a JSON object, strictly read, or a picture's bytes."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from starlette.requests import ClientDisconnect

from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse

MOST = 64 * 2**20  # bytes of a body with pictures
_PATIENCE = 60.0  # seconds that it may take to arrive


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def picture_bytes(request: Request, other: str = "") -> bytes:
    """`other`: what the address takes besides. Raises HTTPException for what is no picture, too
    large, or too slow."""
    if not media_type(request).startswith("image/"):
        raise HTTPException(415, f"the body must be a picture (image/*){other}")
    return await whole(request, "one picture", "the picture")


async def whole(request: Request, one: str, it: str) -> bytes:
    """A body past `Request.body`, which would keep it as long as the call waits; `one` and `it` say
    what it is. Raises HTTPException for one that is too large, too slow or cut off."""
    parts, taken = [], 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                taken += len(part)
                if taken > MOST:
                    raise HTTPException(413, f"at most {MOST} bytes fit in {one}")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, f"{it} took too long to arrive") from None
    except ClientDisconnect:
        raise HTTPException(400, f"{it} did not arrive whole") from None
    return b"".join(parts)


async def _object(request: Request) -> dict[str, Any]:
    try:
        value = parse(await request.body())
    except NotStrictError as error:
        raise HTTPException(400, f"the body {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("request", "must be a JSON object")
    return value


async def _optional(request: Request) -> dict[str, Any]:
    return await _object(request) if await request.body() else {}


OptionalObject = Annotated[dict[str, Any], Depends(_optional)]  # {} without a body
JsonObject = Annotated[dict[str, Any], Depends(_object)]

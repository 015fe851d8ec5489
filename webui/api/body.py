"""A request's body: a JSON object, strictly read, or a picture's bytes."""

import asyncio
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from starlette.requests import ClientDisconnect

from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse

MOST = 64 * 2**20  # bytes of a picture
_PATIENCE = 60.0  # seconds that a picture may take to arrive


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def picture_bytes(request: Request) -> bytes:
    """Raises HTTPException for what is no picture, too large, or too slow."""
    if not media_type(request).startswith("image/"):
        raise HTTPException(415, "the body must be a picture (image/*) or application/json")
    parts, taken = [], 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                taken += len(part)
                if taken > MOST:
                    raise HTTPException(413, f"at most {MOST} bytes fit in one picture")
                parts.append(part)
    except TimeoutError:
        raise HTTPException(408, "the picture took too long to arrive") from None
    except ClientDisconnect:
        raise HTTPException(400, "the picture did not arrive whole") from None
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

"""A request's body as a JSON object, strictly read."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse


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

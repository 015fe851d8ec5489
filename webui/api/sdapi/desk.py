"""What the groups of routes share: the services, what is set, the calls, and reading bodies.

Bodies hold pictures and may be large, so few are read and taken apart at the same time; a call that
waits for its job holds none.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException, Request

from webui.api.body import media_type, whole
from webui.api.sdapi.calls import Calls
from webui.api.sdapi.settings import Chosen
from webui.errors import InvalidRequest
from webui.guard.strict_json import NotStrictError, parse
from webui.services import Services

_ARRIVING = 16  # bodies at the same time, some of them slow
_APART = 3  # of them taken apart: each takes several times its size
_TURN = 25.0  # seconds that a body may wait for its turn; the guard gives it 30 to begin
_SMALL = 2**16  # bytes that are read as JSON at no cost worth naming
_SOON = {"Retry-After": "5"}


class Desk:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.chosen = Chosen(services)
        self.calls = Calls(services)
        self._arriving = asyncio.Semaphore(_ARRIVING)
        self._apart = asyncio.Semaphore(_APART)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[dict[str, Any]]:
        """A JSON object, {} without any; in memory while the context lasts. Raises HTTPException,
        InvalidRequest."""
        try:
            await asyncio.wait_for(self._arriving.acquire(), _TURN)
        except TimeoutError:
            raise HTTPException(503, "other requests are being read; try again", _SOON) from None
        try:
            data = await whole(request, "one request", "the body")
            async with self._apart:
                yield await _object(data, media_type(request))
        finally:
            self._arriving.release()


async def _object(data: bytes, kind: str) -> dict[str, Any]:
    if not data.strip():
        return {}
    if kind != "application/json":
        raise HTTPException(415, "the body must be application/json")
    try:
        value = await asyncio.to_thread(parse, data) if len(data) > _SMALL else parse(data)
    except NotStrictError as error:
        raise HTTPException(400, f"the body {error}") from None
    if not isinstance(value, dict):
        raise InvalidRequest("request", "must be a JSON object")
    return value

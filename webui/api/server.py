"""The FastAPI application: routes of all extensions, and every error as one shape of JSON.

    {"error": {"kind": "InvalidRequest", "text": "must be ...; try 512", "field": "width"}}

What was sent is never echoed as it came: it may not be text that JSON can hold.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from webui.api import schema
from webui.errors import (
    DarkroomError,
    EngineBusy,
    EngineDied,
    Failure,
    InvalidRequest,
    JobNotFound,
    LineFull,
    ModelNotFound,
    NotSaved,
    WrongState,
    failure,
)
from webui.services import Services

_STATUS: dict[type[DarkroomError], int] = {
    InvalidRequest: 422,
    JobNotFound: 404,
    ModelNotFound: 404,
    WrongState: 409,
    LineFull: 503,
    EngineBusy: 503,
    EngineDied: 503,
    NotSaved: 507,
}
_RETRY_AFTER = "5"  # seconds
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_logger = logging.getLogger(__name__)


def create(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    app = FastAPI(
        title="Darkroom",
        docs_url=None,  # they would load scripts from the net
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
    )
    for route in services.registry.routes:
        app.include_router(route(services))
    app.add_api_route("/api/{path:path}", _nothing, methods=_METHODS, include_in_schema=False)
    app.add_exception_handler(DarkroomError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
    return app


async def _nothing(path: str) -> Any:
    """So that what is not there is not answered by the page."""
    raise HTTPException(404, "there is nothing at this address")


async def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DarkroomError)
    status = _STATUS.get(type(error), 500)
    headers = {"Retry-After": _RETRY_AFTER} if status == 503 else None
    return _answer(status, failure(error), headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """The first of FastAPI's own findings, without the value that it quotes."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    return _answer(422, Failure("InvalidRequest", str(first["msg"])[:200], field))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = "NotFound" if error.status_code == 404 else "Refused"
    return _answer(error.status_code, Failure(kind, str(error.detail)), error.headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    text = "something in the server went wrong; the log file says what"
    return _answer(500, Failure("ServerFailed", text))


def _answer(status: int, failure: Failure, headers: Any = None) -> JSONResponse:
    return JSONResponse(schema.error(failure), status, headers)

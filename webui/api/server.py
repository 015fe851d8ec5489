"""The FastAPI application: routes of all extensions, and every error as one shape of JSON.

    {"error": {"kind": "InvalidRequest", "text": "must be ...; try 512", "field": "width"}}

What was sent is never echoed as it came: it may not be text that JSON can hold. A1111's addresses
answer in A1111's form.
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
    DownloadFailed,
    DownloadNotFound,
    EngineBusy,
    EngineDied,
    Failure,
    InvalidRequest,
    JobNotFound,
    LineFull,
    ModelNotFound,
    NotAllowed,
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
    NotAllowed: 403,
    DownloadFailed: 502,
    DownloadNotFound: 404,
}
_RETRY_AFTER = "5"  # seconds
_A1111 = ("/sdapi/", "/internal/")
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
    for place in ("/api/", *_A1111):
        app.add_api_route(
            place + "{path:path}", _nothing, methods=_METHODS, include_in_schema=False
        )
    app.add_exception_handler(DarkroomError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
    return app


async def _nothing(path: str) -> Any:
    """So that what is not there is not answered by the page."""
    raise HTTPException(404, "there is nothing at this address")


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DarkroomError)
    status = _STATUS.get(type(error), 500)
    headers = {"Retry-After": _RETRY_AFTER} if status == 503 else None
    return _answer(request, status, failure(error), headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first of FastAPI's own findings, without the value that it quotes."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or None
    return _answer(request, 422, Failure("InvalidRequest", str(first["msg"])[:200], field))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = "NotFound" if error.status_code == 404 else "Refused"
    failed = Failure(kind, str(error.detail))
    return _answer(request, error.status_code, failed, error.headers)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    text = "something in the server went wrong; the log file says what"
    return _answer(request, 500, Failure("ServerFailed", text))


def _answer(request: Request, status: int, failure: Failure, headers: Any = None) -> JSONResponse:
    if request.url.path.startswith(_A1111):
        return JSONResponse(schema.a1111_error(failure), status, headers)
    return JSONResponse(schema.error(failure), status, headers)

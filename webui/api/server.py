"""The FastAPI application: routes of all extensions, and every error as one shape of JSON.

    {"error": {"kind": "InvalidRequest", "text": "must be ...; try 512", "field": "width"}}

What was sent is never echoed as it came: it may not be text that JSON can hold. A1111's addresses
answer in A1111's form.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from webui.api import own_routes, schema
from webui.api.openapi.document import describe
from webui.errors import (
    DarkroomError,
    DownloadFailed,
    DownloadNotFound,
    EngineBusy,
    EngineDied,
    Failure,
    InstallNotFound,
    InvalidRequest,
    JobNotFound,
    LineFull,
    ModelNotFound,
    NotAllowed,
    NotSaved,
    StartError,
    WrongState,
    failure,
)
from webui.services import Services

if TYPE_CHECKING:
    from webui.api.tools import Tools

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
    InstallNotFound: 404,
}
_RETRY_AFTER = "5"  # seconds
_A1111 = ("/sdapi/", "/internal/")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_logger = logging.getLogger(__name__)


@asynccontextmanager
async def _lasts(app: FastAPI) -> AsyncIterator[None]:
    yield


def create(services: Services, lifespan: Lifespan = _lasts) -> FastAPI:
    """Raises StartError where --mcp asks for a package that is not there."""
    tools = _tools(services)

    @asynccontextmanager
    async def whole(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app), tools.running() if tools else nullcontext():
            yield

    app = FastAPI(
        title="Darkroom",
        docs_url=None,  # they would load scripts from the net
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=whole,
    )
    for route in services.registry.routes:
        app.include_router(route(services))
    own_routes.include(app, services)
    app.state.conduct = services.extensions.conduct
    app.router.routes.extend(tools.routes if tools else ())
    for place in ("/api/", *_A1111):
        app.add_api_route(
            place + "{path:path}", _nothing, methods=_METHODS, include_in_schema=False
        )
    describe(app, services.registry)
    app.add_exception_handler(DarkroomError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def _tools(services: Services) -> "Tools | None":
    """Those of --mcp."""
    if not services.settings.mcp:
        return None
    try:
        from webui.api.tools import Tools  # here, because its package may not be installed
    except ImportError as error:
        text = "run `.venv/bin/python -m pip install 'mcp>=2.3,<3'` and start again"
        raise StartError(f"--mcp needs the package mcp ({error}); {text}") from error
    return Tools(services)


async def _nothing(request: Request) -> Any:
    """So that what is not there is not answered by the page; 405 where another method is."""
    here = [
        route
        for route in iter_route_contexts(request.app.routes)
        if route.endpoint not in (None, _nothing)
        and route.matches(request.scope)[0] is Match.PARTIAL
    ]
    literal = [route for route in here if "{" not in (route.path or "")]  # /inputs/seen is no ID
    allowed = {method for route in literal or here for method in route.methods or ()}
    if allowed:
        text = f"this address takes {', '.join(sorted(allowed))}, got {request.method}"
        raise HTTPException(405, text, {"Allow": ", ".join(sorted(allowed))})
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
    owner = own_routes.owner_of(request.url.path)
    if owner is not None:
        request.app.state.conduct.failed(owner, "API route", error)
        text = f"the extension {owner} failed here; the Extensions tab says how"
        return _answer(request, 500, Failure("ExtensionFailed", text))
    text = "something in the server went wrong; the log file says what"
    return _answer(request, 500, Failure("ServerFailed", text))


def _answer(request: Request, status: int, failure: Failure, headers: Any = None) -> JSONResponse:
    if request.url.path.startswith(_A1111):
        return JSONResponse(schema.a1111_error(failure), status, headers)
    return JSONResponse(schema.error(failure), status, headers)

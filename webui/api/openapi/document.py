"""The OpenAPI document: what FastAPI gathers from the routes, with every answer that can come.

Whatever its route says, an address also answers with what the guard in front of it refuses, and
with 404 and 422 for what its address and its query cannot mean.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webui import __version__
from webui.api.openapi import answers, bodies, downloads, extensions, foreign, lists, request
from webui.api.openapi.parameters import explain
from webui.interfaces import ServerRegistry

_RETRY = {
    "Retry-After": {
        "description": "Seconds after which it may be tried again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}
_LOGIN = {
    "WWW-Authenticate": {"description": "HTTP Basic.", "schema": {"type": "string"}},
}
STATUSES: Mapping[int, str] = {
    400: "The request is not sound: its JSON, its host, its address.",
    401: "A login is needed.",
    403: "Another site's page may not, the account is not for this address, or the server is "
    "started so that nobody may.",
    404: "What is named is not there.",
    405: "This address takes no such request.",
    408: "The body took too long to arrive.",
    409: "The job's state does not allow it; the text names the state.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body has another type than this address takes.",
    421: "The server does not answer to the host's name.",
    422: "A value cannot be; `field` says which.",
    429: "Too many failed logins from there.",
    500: "Something in the server went wrong; its log file says what.",
    501: "Nothing here can do that.",
    502: "The network or the hub does not play along; the text says how.",
    503: "Later: the line is full, the engine is busy, or others are being served.",
    507: "The disk could not take it.",
}
_ALWAYS = (400, 401, 403, 414, 421, 429, 500)
_OF_BODIES = (408, 413, 415, 422)
_FOREIGN = ("/sdapi/", "/internal/")  # whose own errors have A1111's form
_MODELS: tuple[type[BaseModel], ...] = tuple(
    each
    for module in (answers, bodies, downloads, extensions, foreign, lists)
    for name, each in vars(module).items()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    if not name.startswith("_")
)
_ABOUT = (
    "Darkroom's own API under /api/v1, and A1111's under /sdapi/v1. What may change in /api/v1: "
    "new addresses, new keys in answers, new optional fields, wider bounds. What is here keeps its "
    "name, its type and its meaning; what would not comes under /api/v2. Programs pass over keys "
    "that they do not know. A1111's addresses follow A1111."
)


def describe(app: FastAPI, registry: ServerRegistry) -> None:
    """Sets `app.openapi`; the document is made once, when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, registry)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def document(app: FastAPI, registry: ServerRegistry) -> dict[str, Any]:
    found = get_openapi(
        title="Darkroom",
        version=__version__,
        description=_ABOUT,
        routes=app.routes,
        servers=[{"url": "/"}],
    )
    for path, operation in _operations(found):
        _complete(path, operation)
    found["components"] = {
        "schemas": _schemas(registry),
        "responses": {
            f"{prefix}{status}": _error(status, form)
            for prefix, form in (("Error", "Error"), ("A1111Error", "A1111Error"))
            for status in STATUSES
        },
        "securitySchemes": {
            "basic": {
                "type": "http",
                "scheme": "basic",
                "description": "Where the server was started with --auth, --auth-file or "
                "--api-auth; without, nobody is asked.",
            }
        },
    }
    found["security"] = [{}, {"basic": []}]
    return found


def _operations(found: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete(path: str, operation: dict[str, Any]) -> None:
    """With all errors that it can answer with, by reference."""
    expected = {*_ALWAYS, *operation.pop("x-errors", ())}
    if "requestBody" in operation:
        expected |= {*_OF_BODIES}
    if operation.get("parameters"):
        expected |= {422}
    if "{" in path:
        expected |= {404}
    for parameter in operation.get("parameters", ()):
        explain(path, parameter)
    form = "A1111Error" if path.startswith(_FOREIGN) else "Error"
    given = {
        status: answer for status, answer in operation["responses"].items() if int(status) < 400
    }
    errors = {
        str(status): {"$ref": f"#/components/responses/{form}{status}"}
        for status in sorted(expected)
    }
    operation["responses"] = {**given, **errors}


def _error(status: int, form: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{request.REF}{form}"}}}
    found = {"description": STATUSES[status], "content": content}
    if status in (429, 503):
        found["headers"] = _RETRY
    return found | ({"headers": _LOGIN} if status == 401 else {})


def _schemas(registry: ServerRegistry) -> dict[str, Any]:
    _, made = models_json_schema(
        [(each, "validation") for each in _MODELS], ref_template=request.REF + "{model}"
    )
    schemas: dict[str, Any] = _pointing(made["$defs"])
    return {**schemas, **request.schemas(registry)}


def _pointing(value: Any) -> Any:
    """With references where a class said which of the request's schemas stands there."""
    if isinstance(value, list):
        return [_pointing(each) for each in value]
    if not isinstance(value, dict):
        return value
    if request.POINTS in value:
        kept = {key: value[key] for key in ("description", "default") if key in value}
        return {"$ref": request.REF + value[request.POINTS], **kept}
    return {key: _pointing(each) for key, each in value.items()}

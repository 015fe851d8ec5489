"""Extensions' addresses: each extension's below its own, so that none can stand before ours.

What starts with a router (life spans, start-up events) is left out: only its addresses are taken.
"""

from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI

from webui.errors import ExtensionError
from webui.extensions import MishapError
from webui.interfaces import Route
from webui.services import Services

PREFIX = "/api/v1/extensions/"
_HOOK = "API routes"
_OURS = "settings"  # below an extension's addresses
_MOST = 200


def include(app: FastAPI, services: Services) -> None:
    """Those of every extension that can be built; of the others the failure is kept."""
    conduct = services.extensions.conduct
    for owned in services.registry.own_routes:
        try:
            call = partial(built, owned.owner, owned.value, services)
            router = conduct.attempt_soon(owned.owner, _HOOK, call)
        except MishapError:
            continue
        app.include_router(router)


def built(id: str, route: Route, services: Services) -> APIRouter:
    """Raises ExtensionError for what is no router, or has addresses that are not the extension's;
    and whatever the extension raises."""
    made: Any = route(services)
    if not isinstance(made, APIRouter):
        raise ExtensionError(f"must give a fastapi.APIRouter, gave {type(made).__name__}")
    if len(made.routes) > _MOST:
        raise ExtensionError(f"has {len(made.routes)} addresses; at most {_MOST} fit")
    own = f"{PREFIX}{id}/"
    for each in made.routes:
        path = getattr(each, "path", "")
        if not path.startswith(own) or ".." in path:
            raise ExtensionError(f"the address {path[:80]!r} must begin with {own}")
        if path.rstrip("/") == own + _OURS:
            raise ExtensionError(f"the address {path} is that of its settings page")
    plain = APIRouter(tags=[id])
    plain.routes.extend(made.routes)
    return plain


def owner_of(path: str) -> str | None:
    """The extension that an address belongs to."""
    rest = path.removeprefix(PREFIX)
    return rest.partition("/")[0] if rest != path and "/" in rest else None

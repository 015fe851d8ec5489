"""The extensions: which there are, how they are, turning them on and off, their files for the page.

A change takes effect at the next start, which `POST /restart` brings about.
"""

from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from webui.api import schema
from webui.api.body import JsonObject
from webui.api.install_view import with_origins
from webui.api.kept_file import KeptFile
from webui.api.openapi import extensions as shapes
from webui.api.openapi.says import says
from webui.errors import DarkroomError, InvalidRequest
from webui.fields import shown
from webui.interfaces.server_hooks import Owned, PageFile
from webui.services import Services

_PATIENCE = 1.0  # seconds that the engine has to say how its halves are
_TYPES = {".js": "text/javascript", ".css": "text/css"}


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["extensions"])
    catalogue = services.extensions

    def listed() -> dict[str, Any]:
        return {
            "extensions": with_origins(services, catalogue.listed(_engine(services))),
            "safe_mode": catalogue.safe_mode,
            "can_restart": services.restart.possible,
        }

    @router.get("/extensions", **says(shapes.Extensions))
    def extensions() -> dict[str, Any]:
        """Those that ship and those that are installed, with what went wrong and the time that
        each has taken since the start."""
        return listed()

    @router.patch("/extensions/{id}", **says(shapes.Extensions, body=shapes.Turned, errors=(507,)))
    def turn(id: str, body: JsonObject) -> dict[str, Any]:
        """{"enabled": true or false}; from the next start on. Turned on, it is tried anew."""
        schema.check_known(body, ("enabled",))
        if not isinstance(body.get("enabled"), bool):
            raise InvalidRequest(
                "enabled", f"must be true or false, got {shown(body.get('enabled'))}"
            )
        catalogue.turn(id, on=body["enabled"])
        return listed()

    @router.post("/restart", **says(shapes.Restarting, status=202, errors=(409,)))
    def restart() -> dict[str, Any]:
        """Ends engine and server and starts both again. Waiting jobs stay in the line; the one
        that runs is interrupted, and can be resumed."""
        services.restart.ask()
        return {"restarting": True}

    _add_files(router, services)
    return router


def _add_files(router: APIRouter, services: Services) -> None:
    registry = services.registry
    files = {(each.owner, each.value.file): each for each in (*registry.scripts, *registry.styles)}

    @router.get("/extension-files/{id}/{file}", include_in_schema=False)
    def file(id: str, file: str) -> KeptFile:
        """A script or a style that the extension has registered, and nothing else."""
        if (id, file) not in files:
            raise HTTPException(404, "there is nothing at this address")
        return _file(services, files[id, file])


def _file(services: Services, owned: Owned[PageFile]) -> KeptFile:
    place = next(
        each.found.folder for each in services.extensions.standings if each.found.id == owned.owner
    )
    path = place / owned.value.file
    if not path.is_file():  # the extension was removed meanwhile
        raise HTTPException(404, "there is nothing at this address")
    return KeptFile(path, media_type=_TYPES[path.suffix])


def _engine(services: Services) -> dict[str, Any]:
    """What it says of its halves; what it said at its start, where it does not answer."""
    state = services.backend.state()
    try:
        said: Any = services.backend.call("extensions", {}, timeout=_PATIENCE)
    except (DarkroomError, AttributeError):
        said = None
    return said if isinstance(said, dict) else dict(state.hello.get("extensions", {}))

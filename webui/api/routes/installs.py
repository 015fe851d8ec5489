"""Extensions from elsewhere: looked at, installed, updated, rolled back, removed; the index.

What changes takes effect at the next start, which `POST /restart` brings about.
"""

from typing import Any

from fastapi import APIRouter

from webui.api import install_view as view
from webui.api import schema
from webui.api.body import JsonObject, OptionalObject
from webui.api.openapi import installs as shapes
from webui.api.openapi.downloads import Removed
from webui.api.openapi.says import says
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.installing import Installs
from webui.services import Services

_MOST_WORDS = 200  # characters
_MOST_REVISION = 200  # characters


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/extensions", tags=["extensions"])
    _add_installs(router, services.installs)
    _add_known(router, services.installs)
    _add_installed(router, services.installs)
    _add_index(router, services.installs)
    return router


def _add_installs(router: APIRouter, installs: Installs) -> None:
    @router.get("/installs", **says(shapes.InstallList))
    def listed() -> dict[str, Any]:
        """Whether anything may be installed, and from where; and what is under way."""
        return view.overview(installs)

    @router.post(
        "/installs", **says(shapes.Install, status=202, body=shapes.NewInstall, errors=(507,))
    )
    def begin(body: JsonObject) -> dict[str, Any]:
        """Looks at what is at a source, or at what is new of an installed extension. Its files are
        fetched beside where they would go; nothing is installed, none of its code is run. Ask
        again until `state` is no longer "looking"."""
        schema.check_known(body, ("source", "revision", "extension"))
        source, revision, extension = (
            schema.text(body, name, "") or "" for name in ("source", "revision", "extension")
        )
        if len(revision) > _MOST_REVISION:
            raise InvalidRequest("revision", f"has more than {_MOST_REVISION} characters")
        if bool(source) == bool(extension):
            raise InvalidRequest("source", "give either a source, or an extension to update")
        return view.install(installs.begin(source, revision, extension))


def _add_known(router: APIRouter, installs: Installs) -> None:
    @router.get("/installs/{id}", **says(shapes.Install))
    def one(id: str) -> dict[str, Any]:
        return view.install(installs.get(id))

    @router.post(
        "/installs/{id}/confirm",
        **says(shapes.Install, status=202, body=shapes.Consent, optional=True, errors=(409,)),
    )
    def confirm(id: str, body: OptionalObject) -> dict[str, Any]:
        """Installs exactly what was seen. 422 where it needs Python packages and nobody agreed."""
        schema.check_known(body, ("packages",))
        packages = body.get("packages", False)
        if not isinstance(packages, bool):
            raise InvalidRequest("packages", f"must be true or false, got {shown(packages)}")
        return view.install(installs.confirm(id, packages))

    @router.delete("/installs/{id}", **says(Removed))
    def end(id: str) -> dict[str, Any]:
        """Throws away what was looked at, or ends what is under way; what is done stays."""
        installs.end(id)
        return {"removed": id}


def _add_installed(router: APIRouter, installs: Installs) -> None:
    @router.post(
        "/installed/{id}/rollback", **says(shapes.RolledBack, status=200, errors=(409, 507))
    )
    def roll_back(id: str, body: OptionalObject) -> dict[str, Any]:
        """To what it was before the last update; once more, forth again."""
        installs.roll_back(id)
        return {"rolled_back": id}

    @router.delete("/installed/{id}", **says(Removed, errors=(507,)))
    def remove(id: str) -> dict[str, Any]:
        """Its code, packages and settings go; its own folder of files stays."""
        installs.remove(id)
        return {"removed": id}


def _add_index(router: APIRouter, installs: Installs) -> None:
    @router.get("/index", **says(shapes.IndexList))
    def search(search: str = "") -> dict[str, Any]:
        """The extensions that are known to exist, by words of their names and descriptions; asks
        nobody."""
        if len(search) > _MOST_WORDS:
            raise InvalidRequest("search", f"has more than {_MOST_WORDS} characters")
        return view.index(installs.index, search)

    @router.post("/index", **says(shapes.IndexList, errors=(502, 507)))
    def fetch(body: OptionalObject) -> dict[str, Any]:
        """Fetches the index that --extension-index names."""
        installs.index.fetch()
        return view.index(installs.index, "")

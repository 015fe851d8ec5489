"""Models from elsewhere: looked at, fetched, watched, ended."""

from typing import Any

from fastapi import APIRouter

from webui.api import download_view as view
from webui.api.body import JsonObject, OptionalObject
from webui.api.openapi import downloads as shapes
from webui.api.openapi.says import says
from webui.downloads import Downloads
from webui.services import Services

_MOVES = (409, 507)


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/downloads", tags=["downloads"])
    _add_new(router, services.downloads)
    _add_known(router, services.downloads)
    return router


def _add_new(router: APIRouter, downloads: Downloads) -> None:
    @router.get("", **says(shapes.Downloads))
    def listed() -> dict[str, Any]:
        """The newest last; which kinds of files go where, and whether anything may be fetched.

        Asks nobody: the network is touched by POST alone.
        """
        return view.overview(downloads)

    @router.post("/looks", **says(shapes.Look, body=shapes.Wish, errors=(502,)))
    def look(body: JsonObject) -> dict[str, Any]:
        """{"source", "revision"?, "choice"?, "kind"?, "name"?, "sha256"?}: what would be fetched.

        `source` is owner/name on the hub, a page of it, or the https address of a .safetensors
        file. `choices` are what a repository holds; `problems` have to be solved before it can be
        fetched; `wish` is what to send then. 502 where the network or the hub does not play along.
        """
        return view.look(downloads.look(view.wish(body)))

    @router.post("", **says(shapes.Download, status=201, body=shapes.Wish, errors=(502, 507)))
    def add(body: JsonObject) -> dict[str, Any]:
        """The same body, with the `commit` of the look if it was looked at: it is looked at again,
        and goes to the end of the line."""
        return view.download(downloads.add(view.wish(body)))


def _add_known(router: APIRouter, downloads: Downloads) -> None:
    @router.get("/{id}", **says(shapes.Download))
    def one(id: str) -> dict[str, Any]:
        return view.download(downloads.get(id))

    @router.post("/{id}/pause", **says(shapes.Download, errors=_MOVES))
    def pause(id: str, body: OptionalObject) -> dict[str, Any]:
        """What has come so far stays for `resume`."""
        return view.download(downloads.pause(id))

    @router.post("/{id}/resume", **says(shapes.Download, errors=_MOVES))
    def resume(id: str, body: OptionalObject) -> dict[str, Any]:
        """Of a paused or failed one: goes on where it is."""
        return view.download(downloads.resume(id))

    @router.delete("/{id}", **says(shapes.Removed))
    def remove(id: str) -> dict[str, Any]:
        """Ends it and throws away what has come so far; one that is done is only forgotten."""
        downloads.remove(id)
        return {"removed": id}

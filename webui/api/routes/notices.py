"""What the person who runs the server should know, until it was read."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.body import OptionalObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/notices", tags=["notices"])
    line = services.line

    @router.get("", **says(lists.Notices))
    def notices() -> dict[str, Any]:
        return {"notices": list(line.notices)}

    @router.post("/dismiss", **says(lists.Notices, body=bodies.Dismissed, optional=True))
    def dismiss(body: OptionalObject) -> dict[str, Any]:
        """{"text"?}: one of them, else all; one that happens again comes back."""
        schema.check_known(body, ("text",))
        line.dismiss(schema.text(body, "text", None))
        return notices()

    return router

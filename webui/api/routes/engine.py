"""The engine: how it is, and starting it anew."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/engine", tags=["engine"])
    backend = services.backend

    @router.get("", **says(lists.EngineNow))
    def state() -> dict[str, Any]:
        return {"engine": schema.engine(backend.state())}

    @router.post("/restart", **says(lists.EngineNow))
    def restart() -> dict[str, Any]:
        """Ends it, whatever it does, and starts another; its job goes on after its last kept
        step, and none is blamed for it."""
        backend.restart()
        return state()

    return router

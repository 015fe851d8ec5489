"""The engine: how it is, and starting it anew."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/engine", tags=["engine"])
    backend = services.backend

    @router.get("")
    def state() -> dict[str, Any]:
        return {"engine": schema.engine(backend.state())}

    @router.post("/restart")
    def restart() -> dict[str, Any]:
        """Ends it, whatever it does, and starts another; its job goes on after its last kept
        step, and none is blamed for it."""
        backend.restart()
        return state()

    return router

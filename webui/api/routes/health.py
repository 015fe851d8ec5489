"""Whether all is well; for people who run the server, and their programs."""

import shutil
from typing import Any

from fastapi import APIRouter

from webui import __version__
from webui.api import schema
from webui.api.openapi import answers
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/health", tags=["health"])

    @router.get("", **says(answers.Health))
    def health() -> dict[str, Any]:
        running = services.line.running()
        return {
            "version": __version__,
            "server": services.server_id,
            "engine": schema.engine(services.backend.state()),
            "waiting": services.line.waiting(),
            "running": running.id if running else None,
            "free_bytes": _free_bytes(services),
            "notices": list(services.line.notices),
        }

    return router


def _free_bytes(services: Services) -> int | None:
    """Where pictures go; None while that folder is not there."""
    try:
        return shutil.disk_usage(services.settings.outputs).free
    except OSError:
        return None

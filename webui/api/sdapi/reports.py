"""The machine and what is installed."""

from typing import Any

import psutil
from fastapi import APIRouter

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi.desk import Desk


def router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/memory", **says(foreign.Memory))
    def memory() -> dict[str, Any]:
        """Bytes; of a card what the engine reports, which no other process can see."""
        ram = psutil.virtual_memory()
        return {
            "ram": {"free": ram.available, "used": ram.total - ram.available, "total": ram.total},
            "cuda": {"error": f"not known of {desk.services.backend.state().device or 'it yet'}"},
        }

    @router.get("/extensions", **says(list[foreign.Named]))
    def extensions() -> list[dict[str, Any]]:
        """Those that ship and those that are installed."""
        return [
            {
                "name": each["id"],
                "version": each["version"],
                "enabled": each["enabled"],
                "remote": "",
            }
            for each in desk.services.extensions.listed({})
        ]

    return router

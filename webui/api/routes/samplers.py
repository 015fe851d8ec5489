"""The samplers and schedules that are registered."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["samplers"])

    @router.get("/samplers")
    def samplers() -> dict[str, Any]:
        return {"samplers": [asdict(each) for each in services.registry.samplers.values()]}

    @router.get("/schedules")
    def schedules() -> dict[str, Any]:
        return {"schedules": [asdict(each) for each in services.registry.schedules.values()]}

    return router

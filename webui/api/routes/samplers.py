"""The samplers and schedules that are registered."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from webui.api.openapi import lists
from webui.api.openapi.says import says
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["samplers"])

    @router.get("/samplers", **says(lists.Samplers))
    def samplers() -> dict[str, Any]:
        return {"samplers": [asdict(each) for each in services.registry.samplers.values()]}

    @router.get("/schedules", **says(lists.Schedules))
    def schedules() -> dict[str, Any]:
        return {"schedules": [asdict(each) for each in services.registry.schedules.values()]}

    return router

"""Which previews are drawn while jobs run, from now on and for the running one too."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.services import Services, check_previews


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/previews", tags=["previews"])

    @router.get("", **says(lists.PreviewMethods))
    def known() -> dict[str, Any]:
        methods = [
            {"name": each.name, "label": each.label, "help": each.help}
            for each in services.registry.previews.values()
        ]
        return {"previews": schema.previews(services.line.previews()), "methods": methods}

    @router.put("", **says(lists.PreviewsSet, body=bodies.Previews))
    def choose(body: JsonObject) -> dict[str, Any]:
        choice = schema.preview_choice(body, services.line.previews())
        check_previews(services, choice)
        services.line.set_previews(choice)
        return {"previews": schema.previews(choice)}

    return router

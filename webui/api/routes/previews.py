"""Which previews are drawn while jobs run, from now on and for the running one too."""

from typing import Any

from fastapi import APIRouter

from webui import names
from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.errors import InvalidRequest
from webui.exports import methods
from webui.jobs.job import PreviewChoice
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/previews", tags=["previews"])

    @router.get("", **says(lists.PreviewMethods))
    def known() -> dict[str, Any]:
        listed = [
            {"name": each.name, "label": each.label, "help": each.help}
            for each in methods(services)
        ]
        return {"previews": schema.previews(services.line.previews()), "methods": listed}

    @router.put("", **says(lists.PreviewsSet, body=bodies.Previews))
    def choose(body: JsonObject) -> dict[str, Any]:
        choice = schema.preview_choice(body, services.line.previews())
        _check(choice, [each.name for each in methods(services)])
        services.line.set_previews(choice)
        return {"previews": schema.previews(choice)}

    return router


def _check(choice: PreviewChoice, known: list[str]) -> None:
    """Raises InvalidRequest for a method that is not there."""
    for name, method in (("noisy", choice.noisy), ("predicted", choice.predicted)):
        if method is not None and method not in known:
            raise InvalidRequest(name, names.unknown(method, known))

"""A request looked at before it is asked for: complete, or what is wrong with it."""

from typing import Any

from fastapi import APIRouter

from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import answers, bodies
from webui.api.openapi.says import says
from webui.errors import InvalidRequest
from webui.request import to_dict
from webui.services import Services, request_of


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/requests", tags=["requests"])

    @router.post("/complete", **says(answers.Completed, body=bodies.RequestAlone))
    def complete(body: JsonObject) -> dict[str, Any]:
        """{"request": {...}}: as `POST /jobs` would queue it, with every default; nothing is
        queued. A random seed is another one each time."""
        schema.check_known(body, ("request",))
        values = body.get("request")
        if not isinstance(values, dict):
            raise InvalidRequest("request", "must be a JSON object")
        return {"request": to_dict(request_of(services, values))}

    return router

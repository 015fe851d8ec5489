"""Jobs: ask for pictures, look, stop."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api import schema
from webui.api.body import JsonObject
from webui.errors import InvalidRequest
from webui.services import Services, submit

MOST = 500  # jobs in one answer


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
    line, view = services.line, schema.JobView(services)

    @router.post("", status_code=201)
    def add(body: JsonObject) -> dict[str, Any]:
        """{"request": {...}, "id"?, "owner"?}; sent again with the same id, it is the same job."""
        schema.check_known(body, ("request", "id", "owner"))
        values = body.get("request")
        if not isinstance(values, dict):
            raise InvalidRequest("request", "must be a JSON object")
        owner = schema.text(body, "owner", "") or ""
        return view.job(submit(services, values, id=schema.text(body, "id", None), owner=owner))

    @router.get("")
    def newest(limit: Annotated[int, Query(ge=1, le=MOST)] = 50) -> dict[str, Any]:
        return {"jobs": [view.job(job) for job in line.jobs(limit)]}

    @router.get("/{id}")
    def one(id: str) -> dict[str, Any]:
        return view.job(line.job(id))

    @router.post("/{id}/stop")
    def stop(id: str) -> dict[str, Any]:
        """Ends it with what there is."""
        return view.job(line.stop(id))

    @router.post("/{id}/cancel")
    def cancel(id: str) -> dict[str, Any]:
        """Ends it and throws unfinished pictures away."""
        return view.job(line.cancel(id))

    return router

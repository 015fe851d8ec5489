"""A request as text to be run elsewhere; the dialog "Copy as" shows what this answers."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from webui import copies
from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import bodies, lists
from webui.api.openapi.says import says
from webui.api.openapi.says import schema as schema_of
from webui.copies import Asked
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.services import Services

_ASKED = {"oneOf": [schema_of(each) for each in (bodies.RequestAsText, bodies.JobAsText)]}


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/copies", tags=["copies"])

    @router.post("", **says(lists.Copies, body=_ASKED, errors=(404,)))
    def written(request: Request, body: JsonObject) -> dict[str, Any]:
        """{"request": {...}} as `POST /jobs` takes it, or {"job", "image"?} of a saved picture;
        "address"? is this server's, as its caller knows it. Nothing is queued."""
        schema.check_known(body, ("request", "job", "image", "address"))
        address = schema.text(body, "address", None) or str(request.base_url)
        asked = _of_job(services, body) if "job" in body else _of_request(services, body)
        made = copies.copies(services, asked, address)
        return {"copies": [asdict(each) for each in made]}

    return router


def _of_request(services: Services, body: dict[str, Any]) -> Asked:
    values = body.get("request")
    if not isinstance(values, dict) or "image" in body:
        raise InvalidRequest("request", 'must be a JSON object; or send "job" and "image"')
    return copies.asked(services, values)


def _of_job(services: Services, body: dict[str, Any]) -> Asked:
    """Of one picture, with its own seed; the whole job's without one."""
    if "request" in body:
        raise InvalidRequest("request", 'goes not with "job": send one of the two')
    job = services.line.job(schema.text(body, "job", None) or "")
    image = body.get("image", -1)
    if type(image) is not int or not -1 <= image < job.request.images:
        raise InvalidRequest(
            "image", f"must be from -1 to {job.request.images - 1}, got {shown(image)}"
        )
    return copies.recorded(services, job.request if image < 0 else job.request.alone(image))

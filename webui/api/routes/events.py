"""What happens, as server-sent events, for programs; the page polls `live`."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response

from webui.api.openapi.says import STREAM, says
from webui.api.streams import Streams
from webui.services import Services

After = Annotated[int | None, Query(ge=0, le=10**15)]
LastEventId = Annotated[str | None, Header(max_length=80)]

_OF_ONE = says(content=STREAM, errors=(503,))
_OF_ONE["responses"][204] = {
    "description": "It has ended, and there is nothing after what you have."
}


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["events"])
    streams = Streams(services)

    @router.get("/jobs/{id}/events", response_class=Response, **_OF_ONE)
    async def of_one(
        request: Request, id: str, after: After = None, last_event_id: LastEventId = None
    ) -> Response:
        """All events of a job from the first on, or those after the last one seen; ends when it
        has ended, and then with 204."""
        return await streams.job(id, streams.number(last_event_id, after) or 0, _address(request))

    @router.get("/events", response_class=Response, **says(content=STREAM, errors=(503,)))
    async def of_all(
        request: Request, after: After = None, last_event_id: LastEventId = None
    ) -> Response:
        """Events of all jobs from now on, or those after the last one seen."""
        return streams.all(streams.number(last_event_id, after), _address(request))

    return router


def _address(request: Request) -> str:
    return request.client.host if request.client else ""

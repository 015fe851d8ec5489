"""The line: who waits where and for how long; pausing it, clearing it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api.openapi import answers
from webui.api.openapi.says import says
from webui.api.queue_view import QueueView
from webui.services import Services

MOST = 500  # jobs in one answer
MOST_ENDED = 100


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/queue", tags=["queue"])
    line, view = services.line, QueueView(services)

    @router.get("", **says(answers.Queue))
    def queue(
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        ended: Annotated[int, Query(ge=0, le=MOST_ENDED)] = 0,
    ) -> dict[str, Any]:
        """The running job and a page of the waiting, with the seconds each has to wait and takes;
        null where nothing was measured yet. With `ended` also what was interrupted, and so many
        others that have ended, newest first."""
        return view.queue(cursor, limit, ended)

    @router.post("/pause", **says(answers.Queue, errors=(507,)))
    def pause() -> dict[str, Any]:
        """What runs goes on to its end; nothing is begun, over restarts too."""
        line.pause()
        return queue()

    @router.post("/resume", **says(answers.Queue, errors=(507,)))
    def resume() -> dict[str, Any]:
        line.resume()
        return queue()

    @router.post("/clear", **says(answers.Queue, errors=(507,)))
    def clear() -> dict[str, Any]:
        """Cancels all that wait; what runs goes on."""
        return {"cancelled": line.order.clear(), **queue()}

    return router

"""What the live panel polls: everything that may have changed since the number it has."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api import schema
from webui.api.openapi import answers
from webui.api.openapi.says import says
from webui.api.queue_view import QueueView
from webui.api.routes.queue import MOST, MOST_ENDED
from webui.errors import JobNotFound
from webui.jobs.job import Job
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    line, view, queues = services.line, schema.JobView(services), QueueView(services)

    @router.get("", **says(answers.Live))
    def live(
        owner: str = "",
        job: str = "",
        after: Annotated[int, Query(ge=0)] = 0,
        pictures: Annotated[int, Query(ge=0)] = 0,
        queue: Annotated[int, Query(ge=0, le=MOST)] = 0,
        cursor: str | None = None,
        ended: Annotated[int, Query(ge=0, le=MOST_ENDED)] = 0,
    ) -> dict[str, Any]:
        """The job asked for, else the owner's newest, else the running one, else the newest.

        `after`, an event's number, and `pictures`, how many the page has, count only for the job
        asked for; of another one all is sent. With `queue`, a number of jobs, the answer has a
        page of the line too, as `GET /queue` gives it.
        """
        running = line.running()
        chosen = _chosen(services, owner, job, running)
        known = chosen is not None and chosen.id == job
        numbered, last = line.read(chosen.id, after if known else 0) if chosen else ([], 0)
        first = pictures if known else 0
        return {
            **_state(services, owner, running),
            "wait": line.wait(chosen.id) if chosen and chosen.state == "queued" else None,
            "queue": queues.queue(cursor, queue, ended) if queue else None,
            "job": view.job(line.job(chosen.id), first) if chosen else None,
            "pictures": first,  # were left out, because the page has them
            "events": schema.events(numbered),
            "last": last,
        }

    return router


def _state(services: Services, owner: str, running: Job | None) -> dict[str, Any]:
    """Of server, engine and line, at no cost worth naming."""
    line = services.line
    mine = line.latest(owner) if owner else None
    return {
        "server": services.server_id,
        "engine": schema.engine(services.backend.state()),
        "waiting": line.waiting(),
        "running": running.id if running else None,
        "previews": schema.previews(line.previews()),
        "paused": line.paused(),
        "interrupted": line.interrupted(),
        "notices": list(line.notices),
        "mine": {"id": mine.id, "state": mine.state} if mine else None,  # the owner's newest job
    }


def _chosen(services: Services, owner: str, id: str, running: Job | None) -> Job | None:
    """None also for an id that is not known (any more): a page that asks for it goes on asking."""
    line = services.line
    if id:
        try:
            return line.job(id)
        except JobNotFound:
            return None
    newest = line.latest(owner) if owner else None
    return newest or running or next(iter(line.jobs(1)), None)

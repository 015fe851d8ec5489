"""What the live panel polls: everything that may have changed since the number it has."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api import schema
from webui.errors import JobNotFound
from webui.jobs.job import Job
from webui.services import Services


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    line, view = services.line, schema.JobView(services)

    @router.get("")
    def live(
        owner: str = "", job: str = "", after: Annotated[int, Query(ge=0)] = 0
    ) -> dict[str, Any]:
        """The job asked for, else the owner's newest, else the running one, else the newest.

        `after` counts only for the job asked for; of another one all events are sent.
        """
        running = line.running()
        chosen = _chosen(services, owner, job, running)
        seen = after if chosen and chosen.id == job else 0
        numbered, last = line.read(chosen.id, seen) if chosen else ([], 0)
        return {
            "server": services.server_id,
            "engine": schema.engine(services.backend.state()),
            "waiting": line.waiting(),
            "running": running.id if running else None,
            "previews": schema.previews(line.previews()),
            "job": view.job(line.job(chosen.id)) if chosen else None,
            "events": schema.events(numbered),
            "last": last,
        }

    return router


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

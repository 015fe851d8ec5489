"""Ending a job, or leaving its batch in hand out: of this API's jobs alone, never the page's."""

from typing import Any

from fastapi import APIRouter, HTTPException, Query

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi.desk import Desk
from webui.jobs.job import Job

_MOST_NAME = 200  # characters


def router(desk: Desk) -> APIRouter:
    router = APIRouter()

    def meant(id: str | None) -> Job | None:
        """The named job, else the running one if it came by this API."""
        job = desk.calls.running() if id is None else desk.calls.find(id)
        if id is not None and job is None:
            raise HTTPException(404, "id: is neither a job nor a task that is known")
        return job

    @router.post("/interrupt", **says(foreign.Nothing, errors=(404,)))
    def interrupt(id: str | None = Query(None, max_length=_MOST_NAME)) -> dict[str, Any]:
        """Ends it with the pictures that there are; with `id` also a job that waits."""
        if (job := meant(id)) is not None:
            desk.calls.interrupt(job)
        return {}

    @router.post("/skip", **says({"type": "null"}, errors=(404,)))
    def skip(id: str | None = Query(None, max_length=_MOST_NAME)) -> None:
        """Goes on with the job's next batch."""
        if (job := meant(id)) is not None:
            desk.calls.skip(job)

    return router

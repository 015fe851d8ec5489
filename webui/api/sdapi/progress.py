"""How far jobs are: A1111's one progress for all, or a job's own where it is named."""

import asyncio
import math
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Query, Request

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi import reading
from webui.api.sdapi.desk import Desk
from webui.jobs.job import Job, Progress
from webui.jobs.states import ENDED, WAITING

_BEGUN = 0.01  # what A1111 says of a job without a step
_MOST_NAME = 200  # characters


def router(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/progress", **says(foreign.GlobalProgress, errors=(404,)))
    def progress(
        skip_current_image: bool = False, id: str | None = Query(None, max_length=_MOST_NAME)
    ) -> dict[str, Any]:
        """Of the running job, the page's too, as A1111 has it; with `id`, a job's or what a call
        named `force_task_id`, of that one."""
        line = desk.services.line
        job = line.running()
        if id is not None:
            job = desk.calls.find(id)
            if job is None:
                raise HTTPException(404, "id: is neither a job nor a task that is known")
        runs = job is not None and job.state == "running"
        shown = desk.calls.frame(job) if job and runs and not skip_current_image else None
        return {
            "progress": _share(desk, job),
            "eta_relative": _left(desk, job) or 0.0,
            "state": _state(desk, job if runs else None),
            "current_image": shown[1] if shown else None,
            "textinfo": _text(desk, job),
            "current_task": desk.calls.task_of(job.id) or job.id if job and runs else None,
            "job": job.id if job else None,
        }

    return router


def internal(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/ping", **says(foreign.Nothing))
    def ping() -> dict[str, Any]:
        return {}

    @router.post(
        "/progress",
        **says(foreign.TaskProgress, body=foreign.TaskProgressBody, optional=True, errors=(503,)),
    )
    async def progress(request: Request) -> dict[str, Any]:
        """{"id_task", "id_live_preview"?, "live_preview"?}: of one job."""
        async with desk.body(request) as body:
            task = reading.text("id_task", body.get("id_task") or "")
            seen = reading.whole("id_live_preview", body.get("id_live_preview", -1) or -1)
            wanted = reading.switch(body, "live_preview", True)
        return await asyncio.to_thread(_of_task, desk, task[:_MOST_NAME], seen, wanted)

    return router


def _of_task(desk: Desk, task: str, seen: int, wanted: bool) -> dict[str, Any]:
    job = desk.calls.find(task) if task else None
    active = job is not None and job.state == "running"
    queued = job is not None and job.state in WAITING
    place = desk.services.line.read_all(2**62, 0)[1] if active else -1
    frame = desk.calls.frame(job) if job and active and wanted and place != seen else None
    waiting = f"In queue: {desk.services.line.ahead(job.id) + 1}" if job and queued else None
    return {
        "active": active,
        "queued": queued,
        "completed": job is not None and job.state in ENDED,
        "progress": _share(desk, job) if active else None,
        "eta": _left(desk, job) if active else None,
        "live_preview": f"data:{frame[0]};base64,{frame[1]}" if frame else None,
        "id_live_preview": place if frame else seen,
        "textinfo": waiting or _text(desk, job),
    }


def _measured(desk: Desk, job: Job | None) -> Progress | None:
    """Of the running job."""
    if job is None or job.state != "running":
        return None
    seen = desk.services.line.overview(limit=1)
    return seen.progress if seen.running is not None and seen.running.id == job.id else None


def _share(desk: Desk, job: Job | None) -> float:
    if job is not None and job.state == "done":
        return 1.0
    found = _measured(desk, job)
    if found is None:
        return _BEGUN if job is not None and job.state == "running" else 0.0
    return min(1.0, _BEGUN + found.share)


def _left(desk: Desk, job: Job | None) -> float | None:
    found = _measured(desk, job)
    return found.left if found and found.left is not None and math.isfinite(found.left) else None


def _text(desk: Desk, job: Job | None) -> str | None:
    found = _measured(desk, job)
    return f"Step {found.step} of {found.steps}" if found else None


def _state(desk: Desk, job: Job | None) -> dict[str, Any]:
    found = _measured(desk, job)
    batches = job.request.batches if job else 0
    batch = found.batch if found else 0
    interrupted = job is not None and desk.calls.interrupted(job.id)
    began = datetime.fromtimestamp(job.started) if job and job.started else None
    return {
        "skipped": bool(job and job.skipped),
        "interrupted": interrupted,
        "stopping_generation": interrupted,
        "job": f"Batch {batch + 1} out of {batches}" if job else "",
        "job_count": batches,
        "job_timestamp": f"{began:%Y%m%d%H%M%S}" if began else "0",
        "job_no": batch,
        "sampling_step": found.step if found else 0,
        "sampling_steps": found.steps if found else 0,
    }

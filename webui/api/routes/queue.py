"""The line: who waits where and for how long; pausing it, clearing it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui.api import schema
from webui.jobs.job import Job
from webui.jobs.overview import Overview, Waiting
from webui.request import GenerationRequest
from webui.services import Services

_MOST = 500  # jobs in one answer
_PROMPT = 120  # characters of it in a line


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/queue", tags=["queue"])
    line = services.line

    def seen(overview: Overview) -> dict[str, Any]:
        return {
            "paused": overview.pause is not None,
            "reason": overview.pause or None,
            "running": _running(services, overview),
            "total": overview.total,
            "limit": services.settings.max_waiting,
            "waiting": [_waiting(each) for each in overview.waiting],
            "cursor": overview.cursor,
        }

    @router.get("")
    def queue(
        cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=_MOST)] = 50
    ) -> dict[str, Any]:
        """The running job and a page of the waiting, with the seconds each has to wait and takes;
        null where nothing was measured yet."""
        return seen(line.overview(cursor, limit))

    @router.post("/pause")
    def pause() -> dict[str, Any]:
        """What runs goes on to its end; nothing is begun, over restarts too."""
        line.pause()
        return queue()

    @router.post("/resume")
    def resume() -> dict[str, Any]:
        line.resume()
        return queue()

    @router.post("/clear")
    def clear() -> dict[str, Any]:
        """Cancels all that wait; what runs goes on."""
        return {"cancelled": line.order.clear(), **queue()}

    return router


def _running(services: Services, overview: Overview) -> dict[str, Any] | None:
    job, progress = overview.running, overview.progress
    if job is None or progress is None:
        return None
    preview = services.line.newest_preview(job.id)
    return {
        **_head(job),
        "batch": progress.batch,
        "batches": job.request.batches,
        "step": progress.step,
        "steps": progress.steps,
        "share": progress.share,
        "left": progress.left,
        "frame": schema.frame_url(job.id, preview) if preview else None,
    }


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        **_head(waiting.job),
        "position": waiting.position,
        "wait": waiting.wait,
        "takes": waiting.takes,
    }


def _head(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "owner": job.owner,
        "state": job.state,
        "recipe": recipe(job.request),
        "images": job.request.images,
        "created": job.created,
        "started": job.started,
        "retry_of": job.retry_of,
    }


def recipe(request: GenerationRequest) -> str:
    """In a line, for people: "a cat · DPM++ 2M · 20 steps · 512x512 · 4 pictures"."""
    prompt = " ".join(request.prompt.split())
    if len(prompt) > _PROMPT:
        prompt = prompt[: _PROMPT - 1].rstrip() + "…"
    parts = [prompt, request.sampler, f"{request.steps} steps"]
    parts += [f"{request.width}x{request.height}"]
    if request.images > 1:
        parts += [f"{request.images} pictures"]
    return " · ".join(part for part in parts if part)

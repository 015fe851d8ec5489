"""The line as JSON: what runs, who waits, what has ended.

Knows neither routes nor pages of a browser.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from webui.api import schema
from webui.jobs.job import Job
from webui.jobs.overview import Overview, Waiting
from webui.jobs.states import ENDED
from webui.request import GenerationRequest
from webui.services import Services

_PROMPT = 120  # characters of it in a line
_INTERRUPTED = 20  # at most, in one answer
_OVER = tuple(state for state in ENDED if state != "interrupted")
_REMEMBERED = 256


class QueueView:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._line = services.line
        # Where an interrupted job goes on is read from what it kept, which is many bytes.
        self._goes_on = lru_cache(_REMEMBERED)(self._read_goes_on)

    def queue(self, cursor: str | None, limit: int, ended: int) -> dict[str, Any]:
        """A page of the waiting and, if `ended` is not 0, the interrupted and as many others."""
        seen = self._seen(self._line.overview(cursor, limit))
        if ended:
            over = self._line.jobs(_INTERRUPTED, ("interrupted",)) + self._line.jobs(ended, _OVER)
            seen["ended"] = [self._ended(job) for job in over]
        return seen

    def _seen(self, overview: Overview) -> dict[str, Any]:
        return {
            "paused": overview.pause is not None,
            "reason": overview.pause or None,
            "running": self._running(overview),
            "total": overview.total,
            "limit": self._services.settings.max_waiting,
            "ends": overview.ends,
            "waiting": [self._waiting(each) for each in overview.waiting],
            "cursor": overview.cursor,
        }

    def _running(self, overview: Overview) -> dict[str, Any] | None:
        job, progress = overview.running, overview.progress
        if job is None or progress is None:
            return None
        preview = self._line.newest_preview(job.id)
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

    def _waiting(self, waiting: Waiting) -> dict[str, Any]:
        # one that has begun has pictures, maybe; of all others there is nothing to read
        job = self._line.job(waiting.job.id) if waiting.job.attempts else waiting.job
        return {
            **_head(job),
            "position": waiting.position,
            "wait": waiting.wait,
            "takes": waiting.takes,
        }

    def _ended(self, job: Job) -> dict[str, Any]:
        batch, step = self._goes_on(job.id, job.finished) if job.state == "interrupted" else (0, 0)
        return {
            **_head(job),
            "finished": job.finished,
            "error": job.error.text if job.error else None,
            "made": sum(0 <= saved.image < job.request.images for saved in job.pictures),
            "batch": batch,
            "step": step,
        }

    def _read_goes_on(self, id: str, finished: float | None) -> tuple[int, int]:
        return self._line.goes_on(id)


def _head(job: Job) -> dict[str, Any]:
    first = next((saved for saved in job.pictures if saved.image >= 0), None)
    begins = _begins_with(job.request)
    return {
        "id": job.id,
        "owner": job.owner,
        "state": job.state,
        "recipe": recipe(job.request),
        "images": job.request.images,
        "created": job.created,
        "started": job.started,
        "retry_of": job.retry_of,
        "begun": job.attempts > 0,
        "picture": schema.PICTURES + quote(first.path) if first else None,
        "input": f"{schema.INPUTS}{begins}" if begins else None,
    }


def _begins_with(request: GenerationRequest) -> str | None:
    """The picture's sha256."""
    part = request.upscale or request.init
    return part.picture if part else request.hires.picture if request.hires else None


def kind(request: GenerationRequest) -> str:
    """What is made of a picture, in a word or two; "" where it is made from text alone."""
    if request.upscale is not None:
        return "upscale"
    if (init := request.init) is None:
        return "hires" if request.hires else ""
    if init.outpaint is not None:
        return "outpaint"
    if init.mask is not None:
        return "inpaint"
    return "SD upscale" if init.tiles else "loopback" if init.loopback else "img2img"


def recipe(request: GenerationRequest) -> str:
    """In a line, for people: "a cat · DPM++ 2M · 20 steps · 512x512 · 4 pictures"."""
    if (upscale := request.upscale) is not None:
        size = f"{upscale.width or 'any'}x{upscale.height or 'any'}"
        sized = size if upscale.width or upscale.height else f"{upscale.scale:g}x"
        return " · ".join((kind(request), upscale.upscaler, sized))
    prompt = " ".join(request.prompt.split()) or "no prompt"
    if len(prompt) > _PROMPT:
        prompt = prompt[: _PROMPT - 1].rstrip() + "…"
    parts = [prompt, kind(request), request.sampler, f"{request.steps} steps"]
    parts += [f"{request.width}x{request.height}"]
    if request.images > 1:
        parts += [f"{request.images} pictures"]
    return " · ".join(part for part in parts if part)

"""Values as JSON: what the API says of jobs, pictures, events, models.

Knows neither routes nor where values come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from webui.backend import EngineState
from webui.embeddings import EmbeddingEntry
from webui.errors import Failure, InvalidRequest
from webui.events import Event, Preview, Saved
from webui.fields import shown
from webui.jobs.job import Job, PreviewChoice
from webui.library import ModelEntry, VaeEntry, fits, needed, plan_of
from webui.loras import LoraEntry
from webui.metadata import read_parameters
from webui.request import to_dict
from webui.request.loops import place_of
from webui.services import Services
from webui.wire import event_to_dict

PICTURES = "api/v1/pictures/"  # relative, so that it works below any path
FRAMES = "api/v1/jobs/"
INPUTS = "api/v1/inputs/"
_RECIPES = 4096  # remembered; a saved picture never changes


class JobView:
    """Jobs as JSON, with the recipes that stand in their pictures' files."""

    def __init__(self, services: Services) -> None:
        self._line = services.line
        self._folder = services.settings.outputs
        self._taken = services.taken
        self._recipe = lru_cache(_RECIPES)(self._read_recipe)

    def job(self, job: Job, seen: int = 0) -> dict[str, Any]:
        """Without the first `seen` pictures."""
        return {
            "id": job.id,
            "owner": job.owner,
            "state": job.state,
            "request": to_dict(job.request),
            "ahead": self._line.ahead(job.id) if job.state == "queued" else 0,
            "created": job.created,
            "started": job.started,
            "finished": job.finished,
            "attempts": job.attempts,
            "error": asdict(job.error) if job.error else None,
            "batches": job.request.batches,
            "steps": job.request.steps,
            "crashes": job.crashes,
            "skipped": list(job.skipped),
            "retry_of": job.retry_of,
            "dropped": job.dropped,
            "kept": self._kept(job),
            "pictures": [self._picture(job, saved) for saved in job.pictures[seen:]],
        }

    def made(self, jobs: Sequence[Job]) -> dict[str, Any]:
        """The first of what one call made, with the ids of the `others`."""
        first, *others = jobs
        return self.job(first) | ({"others": [each.id for each in others]} if others else {})

    def _kept(self, job: Job) -> bool:
        """After a restart nobody knows whose pictures were taken; their files are gone then."""
        if job.id in self._taken:
            return False
        places = (Path(self._folder, each.path) for each in job.pictures)
        return not job.dropped or all(place.exists() for place in places)

    def _picture(self, job: Job, saved: Saved) -> dict[str, Any]:
        image, loop = place_of(job.request, saved.image)
        return {
            "image": saved.image,
            "of": image,  # which of the request's images it is, after so many loops
            "loop": loop + 1,
            "path": saved.path,
            "url": PICTURES + quote(saved.path),
            "width": saved.width,
            "height": saved.height,
            "seconds": saved.seconds,
            "peak_memory": saved.peak_memory,
            "recipe": self._recipe(saved.path),
            "seed": saved.request.seed,  # with it the job's request is this picture's
        }

    def _read_recipe(self, path: str) -> str:
        return read_parameters(Path(self._folder, path)) or ""


def error(failure: Failure) -> dict[str, Any]:
    return {"error": asdict(failure)}


def a1111_error(failure: Failure) -> dict[str, Any]:
    """As clients of A1111 read errors: a sentence under `detail`, never what was sent."""
    text = f"{failure.field}: {failure.text}" if failure.field else failure.text
    return {"error": failure.kind, "detail": text, "body": "", "errors": text}


def events(numbered: Sequence[tuple[int, Event]]) -> list[dict[str, Any]]:
    """Without requests: the job says what was asked, and its pictures say with which seed."""
    return [{"seq": number, **_without_request(event)} for number, event in numbered]


def frame_url(job_id: str, preview: Preview) -> str:
    place = f"{preview.batch}/{preview.step}/{preview.kind}"
    turn = f"&turn={preview.turn}" if preview.turn else ""
    return f"{FRAMES}{job_id}/frames/{place}?method={quote(preview.method)}{turn}"


def choice(values: Mapping[str, Any], name: str, known: Sequence[str]) -> str:
    """Raises InvalidRequest unless it is one of the known."""
    value = values.get(name)
    if not isinstance(value, str) or value not in known:
        raise InvalidRequest(name, f"must be one of {', '.join(known)}, got {shown(value)}")
    return value


def json_object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Raises InvalidRequest unless it is an object, or absent."""
    value = values.get(name, {})
    if not isinstance(value, Mapping):
        raise InvalidRequest(name, "must be a JSON object")
    return value


def _without_request(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event_to_dict(event).items() if key != "request"}


def engine(state: EngineState) -> dict[str, Any]:
    return {"state": state.state, "device": state.device, "text": state.text}


def embedding(entry: EmbeddingEntry, widths: Mapping[str, int]) -> dict[str, Any]:
    """For a model whose text encoders have tokens of `widths`."""
    return {
        "name": entry.name,
        "vectors": entry.vectors,
        "size_bytes": entry.size_bytes,
        "problem": entry.misfit(widths),
    }


def lora(entry: LoraEntry, model: ModelEntry | None) -> dict[str, Any]:
    """As that model sees it: `problem` is why it cannot use it."""
    values = asdict(entry)
    for name in ("path", "stamp", "alias", "unread"):
        del values[name]
    return {**values, "problem": entry.problem if model is None else entry.misfit(model)}


def model(
    entry: ModelEntry, default: str | None, state: EngineState, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """With what can be known before it is loaded, and the settings that suit it."""
    hello, report = state.hello, entry.report
    each, memory = int(hello.get("weight_bytes", 0)), int(hello.get("memory", 0))
    known = report.weights and each
    made = plan_of(report, hello) if known else None
    return {
        "name": entry.name,
        "family": entry.family,
        "width": entry.native_width,
        "height": entry.native_height,
        "scale_factor": entry.scale_factor,
        "size_bytes": entry.size_bytes,
        "problem": entry.problem,
        "default": entry.name == default,
        "settings": dict(settings),
        "layout": entry.layout,
        "report": None
        if entry.unread
        else {
            **asdict(report),
            "memory_bytes": needed(report, each) if known else None,
            "fits": fits(report, each, memory) if known else None,
            "plan": asdict(made) if made else None,
        },
    }


def vae(entry: VaeEntry) -> dict[str, Any]:
    return {"name": entry.name}


def previews(choice: PreviewChoice) -> dict[str, Any]:
    return asdict(choice)


def preview_choice(values: Mapping[str, Any], now: PreviewChoice) -> PreviewChoice:
    """What is not given stays as it is `now`. Raises InvalidRequest."""
    known = asdict(now)
    check_known(values, known)
    return PreviewChoice(**{**known, **values})


def check_known(values: Mapping[str, Any], known: Mapping[str, Any] | Sequence[str]) -> None:
    """Raises InvalidRequest for a key that is not known."""
    for name in values:
        if name not in known:
            raise InvalidRequest(name[:80], f"is not a field; known are {sorted(known)}")


def text(values: Mapping[str, Any], name: str, default: str | None) -> str | None:
    """Raises InvalidRequest unless it is text, or absent."""
    value = values.get(name, default)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(name, f"must be text, got {shown(value)}")
    return value


def whole(values: Mapping[str, Any], name: str, default: int | None) -> int:
    """Raises InvalidRequest unless it is a whole number from 0, or absent where that may be."""
    value = values.get(name, default)
    if type(value) is not int or value < 0:
        raise InvalidRequest(name, f"must be a whole number from 0, got {shown(value)}")
    return value

"""What the page and the API work with: one frozen bundle, put together by `app`.

Knows neither Gradio nor FastAPI; tabs and routes get it as their only argument.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webui.backend import Backend
from webui.errors import InvalidRequest, ModelNotFound
from webui.fields import BATCH_COUNT, FIELDS, shown
from webui.interfaces import SamplerInfo, ScheduleInfo, ServerRegistry
from webui.jobs.job import Job, PreviewChoice
from webui.jobs.line import JobLine
from webui.library import Library, ModelEntry
from webui.request import GenerationRequest, from_dict
from webui.settings import Settings
from webui.trajectories import Trajectories


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    registry: ServerRegistry
    library: Library
    line: JobLine
    backend: Backend
    trajectories: Trajectories
    server_id: str = field(default_factory=lambda: secrets.token_hex(8))  # of this start


def submit(
    services: Services, values: Mapping[str, Any], *, id: str | None = None, owner: str = ""
) -> Job:
    """A job for what a form or a program asks; what is missing takes its default.

    With an id that is known: that job. Raises InvalidRequest, LineFull, NotSaved.
    """
    return services.line.submit(request_of(services, values, id), id=id, owner=owner)


def request_of(
    services: Services, values: Mapping[str, Any], id: str | None = None
) -> GenerationRequest:
    """Complete, and checked against what there is. Raises InvalidRequest, naming the field.

    Besides the request's own fields: seed -1 is a random one, the same each time for one `id`, so
    that a request that is sent again is the same; batch_count x batch_size are the images.
    """
    filled = dict(values)
    entry = _model(services.library, filled.pop("model", None))
    filled["model"] = entry.name
    filled.setdefault("prompt", "")
    filled.setdefault("width", entry.native_width)
    filled.setdefault("height", entry.native_height)
    if type(filled.setdefault("seed", -1)) is int and filled["seed"] == -1:
        filled["seed"] = _random_seed(id)
    for name, table in (
        ("sampler", services.registry.samplers),
        ("schedule", services.registry.schedules),
    ):
        if name in filled:
            filled[name] = _proper(name, filled[name], table)
    if "batch_count" in filled:
        filled["images"] = _images(filled)
    request = from_dict(filled)
    _check_extras(request)
    _check_size(request, entry, services.settings.max_pixels)
    return request


def check_previews(services: Services, choice: PreviewChoice) -> None:
    """Raises InvalidRequest for a preview method that nobody registered."""
    known = services.registry.previews
    for name, method in (("noisy", choice.noisy), ("predicted", choice.predicted)):
        if method is not None and method not in known:
            raise InvalidRequest(name, _unknown(method, list(known)))


def _model(library: Library, name: object) -> ModelEntry:
    if name is None:
        name = library.default()
        if name is None:
            raise InvalidRequest("model", f"there is no model to use in {library.folder}")
    if not isinstance(name, str):
        raise InvalidRequest("model", f"must be a name, got {shown(name)}")
    try:
        entry = library.find(name)
    except ModelNotFound:
        usable = [each.name for each in library.entries() if each.problem is None]
        raise InvalidRequest("model", _unknown(name, usable)) from None
    if entry.problem is not None:
        raise InvalidRequest("model", f"{entry.name} cannot be used: {entry.problem}")
    return entry


def _proper(field: str, given: object, table: Mapping[str, SamplerInfo | ScheduleInfo]) -> str:
    """The registered name for what may be an alias, in whatever capitals."""
    if isinstance(given, str):
        wanted = given.casefold()
        for name, info in table.items():
            if wanted in (each.casefold() for each in (name, *info.aliases)):
                return name
    raise InvalidRequest(field, _unknown(given, list(table)))


def _unknown(given: object, known: list[str]) -> str:
    names = ", ".join(known[:50]) or "none"
    return f"must be one of: {names}; got {shown(given)}"


def _random_seed(id: str | None) -> int:
    if id is None:
        return secrets.randbelow(2**32)
    return int.from_bytes(hashlib.sha256(id.encode(errors="replace")).digest()[:4])


def _images(filled: dict[str, Any]) -> int:
    """Takes the batch count out."""
    count, size = filled.pop("batch_count"), filled.get("batch_size", 1)
    BATCH_COUNT.check(count)
    FIELDS["batch_size"].check(size)
    if "images" in filled:
        raise InvalidRequest("images", "is batch_count x batch_size already; send one of the two")
    return int(count * size)


def _check_extras(request: GenerationRequest) -> None:
    """No extension can register settings of its own yet."""
    if request.extras:
        given = shown(next(iter(request.extras)))
        raise InvalidRequest("extras", f"names {given}, but there is no such extension")


def _check_size(request: GenerationRequest, entry: ModelEntry, max_pixels: int) -> None:
    factor = entry.scale_factor
    for name, size in (("width", request.width), ("height", request.height)):
        if size % factor:
            near = max(factor, (size + factor // 2) // factor * factor)
            raise InvalidRequest(
                name, f"must be a multiple of {factor} for {entry.name}, got {size}; try {near}"
            )
    area, batch = request.width * request.height, min(request.batch_size, request.images)
    if area > max_pixels:
        raise InvalidRequest(
            "width",
            f"x height must be at most {max_pixels} pixels (--max-pixels), "
            f"got {request.width} x {request.height}",
        )
    if area * batch > max_pixels:
        raise InvalidRequest(
            "batch_size",
            f"at {request.width} x {request.height} must be at most {max_pixels // area} "
            f"(--max-pixels), got {batch}",
        )

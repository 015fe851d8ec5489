"""From what a form or a program asks to its jobs: request filters may change it, or make several.

A filter that fails changes nothing: the request goes on as it was, and says so in its pictures.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from webui import controls
from webui.errors import DarkroomError, InvalidRequest, NotSaved
from webui.extensions import MishapError
from webui.interfaces.server_hooks import FilterContext, Owned, RequestFilter
from webui.jobs.job import Job
from webui.request import GenerationRequest, to_dict
from webui.services import Services, line_up, request_of

MOST_JOBS = 500  # of one request
_SHEET = 60.0  # seconds that it may take to draw one
_HOOK = "request filter"


@dataclass(frozen=True, slots=True)
class _Made:
    """A request on its way through the filters."""

    request: GenerationRequest
    places: tuple[tuple["_Applied", int], ...] = ()  # which of the requests that a filter made


@dataclass(frozen=True, slots=True, eq=False)
class _Applied:
    """A filter that was asked, and made something of a request."""

    owned: Owned[RequestFilter]
    request: GenerationRequest
    context: FilterContext
    count: int  # requests that it made


def submit_all(
    services: Services, values: Mapping[str, Any], *, id: str | None = None, owner: str = ""
) -> tuple[Job, ...]:
    """The jobs for it, in order; what is missing takes its default.

    With an id the first has it, the others have it with "-1", "-2" behind; where it is known, those
    jobs. Raises InvalidRequest, LineFull, NotSaved; none is left in the line then.
    """
    request = request_of(services, values, id)
    first = id or uuid.uuid4().hex
    made = _filtered(services, request, first, values)
    requests = [each.request for each in made]
    named = [f"{first}-{number}" if number else first for number in range(len(made))]
    jobs: list[Job] = []
    if requests != [request]:  # whatever the filters have made of it can be run as well
        requests = [_whole(services, each) for each in requests]
    _tell(services, made, named)
    with services.inputs.lock:  # so that nobody else's job comes between them
        try:
            for name, each in zip(named, requests, strict=True):
                jobs.append(line_up(services, each, id=name, owner=owner))
        except DarkroomError:
            for job in jobs:
                services.line.order.cancel(job.id)
            raise
    return tuple(jobs)


def sheet_of(services: Services, first: str, asked: Mapping[str, Any]) -> Path | None:
    """The picture that shows all jobs that one request became, once they have ended, where a
    filter that it asked for makes one; `first` is the id of the first of them."""
    extras = asked.get("extras")
    for owned in services.registry.request_filters:
        sheet = owned.value.sheet
        if sheet is not None and isinstance(extras, Mapping) and owned.value.needs in extras:
            with suppress(MishapError):
                return services.extensions.conduct.attempt_soon(
                    owned.owner, _HOOK, partial(_drawn, sheet, services, first), patience=_SHEET
                )
    return None


def save_sheet(services: Services, image: Image.Image, request: GenerationRequest) -> str:
    """A sheet of several jobs' pictures with the recipe of all, which `request` is; the path, as
    pictures of jobs have it. Raises NotSaved."""
    if services.outputs is None:
        raise NotSaved("this server saves no sheets")
    said = controls.notes(services.registry, services.extensions.conduct, request)
    return services.outputs.save_sheet(image, request, said)


def filtered(services: Services, request: GenerationRequest) -> list[GenerationRequest]:
    """What the filters that it asks for make of it. Raises InvalidRequest."""
    return [each.request for each in _filtered(services, request, "", {})]


def _filtered(
    services: Services, request: GenerationRequest, id: str, asked: Mapping[str, Any]
) -> list[_Made]:
    made = [_Made(request)]
    for owned in services.registry.request_filters:
        made = [after for each in made for after in _applied(services, owned, each, id, asked)]
        if len(made) > MOST_JOBS:
            raise InvalidRequest(
                f"extras.{owned.value.needs}",
                f"would make {len(made)} jobs of it; at most {MOST_JOBS} can be made at once",
            )
    return made


def _tell(services: Services, made: Sequence[_Made], named: Sequence[str]) -> None:
    """The filters that want to know it: the ids of the jobs of each request that they made."""
    told: dict[_Applied, list[list[str]]] = {}
    for each, name in zip(made, named, strict=True):
        for applied, number in each.places:
            told.setdefault(applied, [[] for _ in range(applied.count)])[number].append(name)
    for applied, jobs in told.items():
        placed = applied.owned.value.placed
        if placed is not None:
            call = partial(placed, applied.request, applied.context, jobs)
            with suppress(MishapError):
                services.extensions.conduct.attempt_soon(applied.owned.owner, _HOOK, call)


def _whole(services: Services, request: GenerationRequest) -> GenerationRequest:
    """As good as what is asked for directly. Raises InvalidRequest."""
    failed = request.extras.get(controls.DID_NOT_RUN)
    made = request_of(services, to_dict(request))
    if failed:
        failed = list(dict.fromkeys([*failed, *made.extras.get(controls.DID_NOT_RUN, ())]))
        made = replace(made, extras={**made.extras, controls.DID_NOT_RUN: failed})
    return made


def _applied(
    services: Services, owned: Owned[RequestFilter], made: _Made, id: str, asked: Mapping[str, Any]
) -> Sequence[_Made]:
    needs, conduct, request = owned.value.needs, services.extensions.conduct, made.request
    if needs not in request.extras:
        return [made]
    folder = services.extensions.folder(owned.owner)
    context = FilterContext(
        values=request.extras[needs],
        folder=folder,
        settings=services.extensions.own_settings.values(owned.owner),
        services=services,
        id=id,
        asked=asked,
    )

    def call() -> Sequence[GenerationRequest]:
        return _requests(services, owned.value.apply(request, context))

    try:
        found = conduct.attempt_soon(owned.owner, _HOOK, call, (InvalidRequest,))
    except MishapError as error:
        return [replace(made, request=controls.with_mishap(request, error.mishap))]
    applied = _Applied(owned, request, context, len(found))
    return [_Made(each, (*made.places, (applied, number))) for number, each in enumerate(found)]


def _drawn(sheet: Callable[[Any, str], object], services: Services, first: str) -> Path | None:
    """Raises TypeError for what is no path."""
    path = sheet(services, first)
    return None if path is None else Path(path)  # type: ignore[arg-type]


def _requests(services: Services, made: object) -> list[GenerationRequest]:
    """Raises TypeError or ValueError for what is none."""
    if not isinstance(made, list | tuple):
        raise TypeError(f"must return a sequence of requests, returned {type(made).__name__}")
    for each in made[: MOST_JOBS + 1]:
        if not isinstance(each, GenerationRequest):
            raise TypeError(f"must return requests, returned {type(each).__name__}")
        try:
            controls.settled(services.registry.controls, each.extras)
        except InvalidRequest as error:
            raise ValueError(f"returned a request that cannot be: {error}") from None
    if not made:
        raise ValueError("returned no request")
    return list(made[: MOST_JOBS + 1])

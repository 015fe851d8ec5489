"""From what a form or a program asks to its jobs: request filters may change it, or make several.

A filter that fails changes nothing: the request goes on as it was, and says so in its pictures.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from webui import controls
from webui.errors import DarkroomError, InvalidRequest
from webui.extensions import Conduct, Mishap, MishapError
from webui.interfaces.server_hooks import FilterContext, Owned, RequestFilter
from webui.jobs.job import Job
from webui.request import GenerationRequest, to_dict
from webui.services import Services, request_of

MOST_JOBS = 500  # of one request
_PATIENCE = 10.0  # seconds that a filter may take
_HOOK = "request filter"


def submit_all(
    services: Services, values: Mapping[str, Any], *, id: str | None = None, owner: str = ""
) -> tuple[Job, ...]:
    """The jobs for it, in order; what is missing takes its default.

    With an id the first has it, the others have it with "-1", "-2" behind; where it is known, those
    jobs. Raises InvalidRequest, LineFull, NotSaved; none is left in the line then.
    """
    with services.inputs.lock:  # so that no picture goes between the look and the job
        request = request_of(services, values, id)
    requests = filtered(services, request)
    jobs: list[Job] = []
    with services.inputs.lock:
        if requests != [request]:  # whatever the filters have made of it can be run as well
            requests = [_whole(services, each) for each in requests]
        try:
            for number, each in enumerate(requests):
                name = f"{id}-{number}" if id and number else id
                jobs.append(services.line.submit(each, id=name, owner=owner))
        except DarkroomError:
            for job in jobs:
                services.line.order.cancel(job.id)
            raise
    return tuple(jobs)


def filtered(services: Services, request: GenerationRequest) -> list[GenerationRequest]:
    """What the filters that it asks for make of it. Raises InvalidRequest."""
    requests = [request]
    for owned in services.registry.request_filters:
        requests = [made for each in requests for made in _applied(services, owned, each)]
        if len(requests) > MOST_JOBS:
            raise InvalidRequest(
                f"extras.{owned.value.needs}",
                f"would make {len(requests)} jobs of it; at most {MOST_JOBS} can be made at once",
            )
    return requests


def _whole(services: Services, request: GenerationRequest) -> GenerationRequest:
    """As good as what is asked for directly. Raises InvalidRequest."""
    failed = request.extras.get(controls.DID_NOT_RUN)
    made = request_of(services, to_dict(request))
    if failed:
        failed = list(dict.fromkeys([*failed, *made.extras.get(controls.DID_NOT_RUN, ())]))
        made = replace(made, extras={**made.extras, controls.DID_NOT_RUN: failed})
    return made


def _applied(
    services: Services, owned: Owned[RequestFilter], request: GenerationRequest
) -> Sequence[GenerationRequest]:
    needs, conduct = owned.value.needs, services.extensions.conduct
    if needs not in request.extras:
        return [request]
    folder = services.extensions.folder(owned.owner)
    context = FilterContext(
        values=request.extras[needs],
        folder=folder,
        settings=services.extensions.own_settings.values(owned.owner),
    )

    def call() -> Sequence[GenerationRequest]:
        return _requests(services, owned.value.apply(request, context))

    try:
        return conduct.attempt(
            owned.owner, _HOOK, lambda: _soon(conduct, owned.owner, call), (InvalidRequest,)
        )
    except MishapError as error:
        return [controls.with_mishap(request, error.mishap)]


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


def _soon(conduct: Conduct, owner: str, call: Callable[[], Any]) -> Any:
    """What it gives, within its time; one that hangs is switched off, for it cannot be stopped."""
    answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=run, name=f"{owner} filter", daemon=True).start()
    try:
        value, error = answer.get(timeout=_PATIENCE)
    except Empty:
        text = f"switched off: its {_HOOK} took longer than {_PATIENCE:g} s"
        conduct.switch_off(Mishap(owner, _HOOK, text))
        raise TimeoutError(f"took longer than {_PATIENCE:g} s") from None
    if error is not None:
        raise error
    return value

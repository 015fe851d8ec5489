"""Which sampler and which levels of noise a request means, among those that are registered."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from webui.engine.entries import Entries
from webui.engine.schedules import FOR_FLOWS, check_level, without_penultimate
from webui.engine.turns import Turn
from webui.errors import InvalidRequest
from webui.interfaces import Levels, SamplerEntry
from webui.request import GenerationRequest
from webui.request.turns import WHOLE

_LEVELS = 20_000  # that a schedule is asked for
_LEAST = 1e-6  # strength


def sampler_of(entries: Entries, request: GenerationRequest) -> SamplerEntry:
    """Raises InvalidRequest for a sampler, a schedule or an option that nobody has."""
    entry = entries.samplers.get(request.sampler)
    if entry is None:
        raise unknown("sampler", request.sampler, entries.samplers)
    name = _schedule_name(entry, request)
    if name not in entries.schedules:
        raise unknown("schedule", name, ["Automatic", *entries.schedules])
    _check("sampling", request.sampler, entry.sample, sampler_options(request))
    return entry


def sampler_on(entries: Entries, request: GenerationRequest, levels: Levels) -> SamplerEntry:
    """As it walks these levels. Raises InvalidRequest as `sampler_of`, and for one that does not.

    On a rectified flow Automatic means one schedule, whatever the sampler.
    """
    entry = sampler_of(entries, request)
    if not levels.flow:
        return entry
    if entry.flow is None:
        others = [name for name, each in entries.samplers.items() if each.flow is not None]
        raise InvalidRequest(
            "sampler",
            f"{request.sampler} adds noise in a way that a flow model does not know; these can be "
            f"used: {', '.join(others)}",
        )
    return replace(entry, sample=entry.flow, automatic=FOR_FLOWS[0])


def turn_levels(entries: Entries, turn: Turn) -> Tensor:
    """(n + 1,) float32, falling, the last one 0: of a picture the last ones of the schedule.

    Raises InvalidRequest for exact steps at a strength at which the model has not as many levels.
    """
    request, start, levels = turn.request, turn.start, turn.model.levels
    if start is None:
        return levels_of(entries, request, levels)
    own = request.schedule_options.sigmas is not None
    entry = sampler_on(entries, request, levels)
    if own or not start.exact_steps:
        return levels_of(entries, request, levels)[-turn.steps - 1 :]
    steps = int(request.steps / max(_LEAST, min(start.strength, WHOLE)))
    if steps <= _LEVELS:
        sigmas = levels_of(entries, request, levels, steps)[-turn.steps - 1 :]
        if bool(torch.all(sigmas[1:] < sigmas[:-1])):
            return sigmas
    raise InvalidRequest(
        start.field,
        f"takes the last {turn.steps} of {steps} levels of noise at a strength of "
        f"{start.strength:g}, and {_schedule_name(entry, request)} has not "
        "as many; try fewer steps or more strength",
    )


def levels_of(
    entries: Entries, request: GenerationRequest, levels: Levels, steps: int | None = None
) -> Tensor:
    """(n + 1,) float32, falling, the last one 0; `steps` instead of the request's."""
    entry = sampler_on(entries, request, levels)
    steps = request.steps if steps is None else steps
    options = asdict(request.schedule_options)
    own = options.pop("sigmas")
    if own is not None:
        check_level(levels, "sigmas", own[0])
        return torch.tensor(own, dtype=torch.float32)
    name, given = _schedule_name(entry, request), _without_none(options)
    schedule = entries.schedules[name]
    _check("schedule_options", name, schedule, given)
    made: Callable[[int], Tensor] = partial(schedule, levels=levels, **given)
    if entry.drops_penultimate:
        return without_penultimate(made, steps)
    return made(steps)


def _schedule_name(entry: SamplerEntry, request: GenerationRequest) -> str:
    return entry.automatic if request.schedule == "Automatic" else request.schedule


def sampler_options(request: GenerationRequest) -> dict[str, Any]:
    """What is set of the sampler's own."""
    return _without_none(asdict(request.sampling))


def _without_none(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _check(part: str, owner: str, function: Callable[..., Any], given: Iterable[str]) -> None:
    known = inspect.signature(function).parameters
    for name in given:
        if name not in known:
            raise InvalidRequest(f"{part}.{name}", f"is nothing that {owner} has")


def unknown(field: str, name: str, known: Iterable[str]) -> InvalidRequest:
    return InvalidRequest(field, f"{name!r} is not known; known are {', '.join(known)}")

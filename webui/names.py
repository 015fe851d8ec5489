"""What a sampler or a schedule may be called, and what each can be told.

Knows the tables that were registered, not who asks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import shown
from webui.interfaces import SamplerInfo, ScheduleInfo, ServerRegistry
from webui.request import GenerationRequest
from webui.upscalers import Upscalers

_LONGEST = 200  # characters of a name: each space in it may end the sampler's

Info = SamplerInfo | ScheduleInfo


def sampler_and_schedule(registry: ServerRegistry, given: Mapping[str, Any]) -> dict[str, str]:
    """The registered names of what `given` calls "sampler" and "schedule", as far as it does.

    Any capitals, any alias, and A1111's old names of both in one. Raises InvalidRequest.
    """
    named: dict[str, str] = {}
    if "schedule" in given:
        named["schedule"] = _proper("schedule", given["schedule"], registry.schedules)
    if "sampler" not in given:
        return named
    sampler = _found(given["sampler"], registry.samplers)
    if sampler is not None:
        return named | {"sampler": sampler}
    for sampler, schedule in _joint(registry, given["sampler"]):
        if named.get("schedule", "Automatic") not in ("Automatic", schedule):
            raise InvalidRequest(
                "schedule", f"is {named['schedule']}, but the sampler's name says {schedule}"
            )
        return {"sampler": sampler, "schedule": schedule}
    raise InvalidRequest("sampler", unknown(given["sampler"], registry.samplers))


def check_options(registry: ServerRegistry, request: GenerationRequest) -> None:
    """Raises InvalidRequest for what the sampler or the schedule cannot be told."""
    sampler, schedule = registry.samplers[request.sampler], registry.schedules[request.schedule]
    for name in _given(asdict(request.sampling)):
        if name not in sampler.parameters:
            raise InvalidRequest(f"sampling.{name}", _has_none(sampler, name))
    options = request.sampling
    if options.order is not None and options.order not in sampler.orders:
        known = ", ".join(str(each) for each in sorted(sampler.orders))
        raise InvalidRequest(
            "sampling.order", f"must be one of {known} for {sampler.name}, got {options.order}"
        )
    if options.solver_type is not None and options.solver_type not in sampler.solver_types:
        raise InvalidRequest(
            "sampling.solver_type",
            f"must be one of {', '.join(sampler.solver_types)} for {sampler.name}, "
            f"got {options.solver_type}",
        )
    parameters = schedule_parameters(registry, request.sampler, request.schedule)
    if request.schedule == "Automatic":
        schedule = registry.schedules.get(sampler.automatic, schedule)
    schedule = replace(schedule, parameters=parameters)
    given = asdict(request.schedule_options)
    own = given.pop("sigmas") is not None
    for name in _given(given):
        if own or name not in parameters:
            why = "own sigmas leave nothing to set" if own else _has_none(schedule, name)
            raise InvalidRequest(f"schedule_options.{name}", why)


def schedule_parameters(registry: ServerRegistry, sampler: str, schedule: str) -> tuple[str, ...]:
    """What a schedule can be told. Automatic can be told what it stands for can: the sampler's
    own schedule, and with a flow model one that has a shift."""
    if schedule != "Automatic":
        return registry.schedules[schedule].parameters
    info = registry.schedules.get(registry.samplers[sampler].automatic)
    meant = info.parameters if info else ()
    return meant if "shift" in meant else (*meant, "shift")


def unknown(given: object, known: Iterable[str]) -> str:
    names = ", ".join(list(known)[:50]) or "none"
    return f"must be one of: {names}; got {shown(given)}"


def _given(options: Mapping[str, Any]) -> list[str]:
    return [name for name, value in options.items() if value is not None]


def _has_none(info: Info, name: str) -> str:
    can = ", ".join(info.parameters) or "nothing"
    return f"is nothing that {info.name} has; what can be set for it: {can}"


def _joint(registry: ServerRegistry, given: object) -> Iterator[tuple[str, str]]:
    """The ways to read a name as that of a sampler, a space or _, and that of a schedule."""
    if not isinstance(given, str) or len(given) > _LONGEST:
        return
    for at in (at for at, character in enumerate(given) if character in " _"):
        sampler = _found(given[:at], registry.samplers)
        schedule = _found(given[at + 1 :], registry.schedules)
        if sampler is not None and schedule is not None:
            yield sampler, schedule


def with_second_pass(registry: ServerRegistry, request: GenerationRequest) -> GenerationRequest:
    """The request with the second pass's sampler and schedule by their registered names. Raises
    InvalidRequest."""
    hires = request.hires
    if hires is None:
        return request
    asked = {"sampler": hires.sampler, "schedule": hires.schedule}
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        named = sampler_and_schedule(registry, given)
    except InvalidRequest as error:
        raise InvalidRequest(f"hires.{error.field}", error.problem) from None
    sampler, schedule = (named.get(name, asked[name]) for name in ("sampler", "schedule"))
    return replace(request, hires=replace(hires, sampler=sampler, schedule=schedule))


def with_upscalers(
    registry: ServerRegistry, upscalers: Upscalers, request: GenerationRequest
) -> GenerationRequest:
    """The request with upscalers called as they are listed. Raises InvalidRequest for one that is
    not there, cannot be used, or makes latents larger where there are only pictures."""

    def named(field: str, given: str, latents: bool = False) -> str:
        return _upscaler(registry, upscalers, field, given, latents)

    if (hires := request.hires) is not None:
        hires = replace(hires, upscaler=named("hires.upscaler", hires.upscaler, latents=True))
    init = request.init
    if init is not None and init.tiles is not None:
        name = named("init.tiles.upscaler", init.tiles.upscaler)
        init = replace(init, tiles=replace(init.tiles, upscaler=name))
    if (upscale := request.upscale) is not None:
        second = upscale.second
        upscale = replace(
            upscale,
            upscaler=named("upscale.upscaler", upscale.upscaler),
            second=None if second is None else named("upscale.second", second),
        )
    return replace(request, hires=hires, init=init, upscale=upscale)


def _upscaler(
    registry: ServerRegistry, upscalers: Upscalers, field: str, given: str, latents: bool
) -> str:
    known = {
        name: each for name, each in registry.upscalers.items() if latents or each.kind != "latent"
    }
    for name in known:
        if name.casefold() == given.casefold():
            return name
    file = upscalers.find(given)
    if file is None:
        files = [each.name for each in upscalers.files() if each.problem is None]
        raise InvalidRequest(field, unknown(given, [*known, *files]))
    if file.problem is not None:
        raise InvalidRequest(field, f"{file.name} cannot be used: {file.problem}")
    return file.name


def _proper(field: str, given: object, table: Mapping[str, Info]) -> str:
    name = _found(given, table)
    if name is None:
        raise InvalidRequest(field, unknown(given, table))
    return name


def _found(given: object, table: Mapping[str, Info]) -> str | None:
    if not isinstance(given, str) or len(given) > _LONGEST:
        return None
    wanted = given.casefold()
    for name, info in table.items():
        # A1111's API knows schedules also by their label in small letters with _
        if wanted in (each.casefold() for each in (name, name.replace(" ", "_"), *info.aliases)):
            return name
    return None

"""The axes that plots have: the fields of a request and of extensions' controls, by their
declaration, and what was registered beside them.

Labels are A1111's where it has the axis, so that its metadata and its programs' calls are
understood.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from webui import controls, names
from webui.errors import InvalidRequest
from webui.extensions import BUILTIN, MishapError
from webui.fields import (
    AUTOMATIC_VAE,
    AXES,
    FIELDS,
    FIRST_AXES,
    OWN_VAE,
    AnyField,
    ChoiceField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
)
from webui.interfaces import Axis
from webui.interfaces.axes import AxisKind
from webui.interfaces.server_hooks import GENERATING, ControlGroup, Owned
from webui.services import Services

T = TypeVar("T")
Values = dict[str, Any]
_HOOK = "axis"
_COSTS = {"model": 1.0, "vae": 0.7, "hires.upscaler": 0.4, "init.tiles.upscaler": 0.4}
_NEEDS = {
    "hires": "needs Hires. fix; switch it on",
    "init": "needs a picture to begin with; it is an axis of img2img and inpainting",
    "init.mask": "needs a mask; it is an axis of inpainting",
    "init.outpaint": "needs outpainting; switch it on",
    "init.tiles": "needs SD upscale; switch it on",
    "init.loopback": "needs loopback; switch it on",
}


def axes_of(services: Services) -> Mapping[str, Axis]:
    """By their labels, in the order in which they are offered. What fails in an extension's raises
    InvalidRequest, naming the extension: whoever asked for the axis is not to blame."""
    fields = {name: _of_field(services, FIELDS[name], label) for name, label in AXES.items()}
    made: dict[str, Axis] = {}
    for axis in (
        *(fields.pop(name) for name in FIRST_AXES),
        *(_guarded(services, each) for each in services.registry.axes.values()),
        *fields.values(),
    ):
        made[axis.label] = axis
    for group, axis in _of_controls(services.registry.controls):
        # two extensions may call fold and control the same; capitals are not told apart
        taken = axis.label.casefold() in {each.casefold() for each in made}
        label = f"{axis.label} ({group})" if taken else axis.label
        made[label] = replace(axis, label=label)
    return MappingProxyType(made)


def _guarded(services: Services, owned: Owned[Axis]) -> Axis:
    """The axis with its functions called as the owner's."""
    axis = owned.value
    if owned.owner == BUILTIN:
        return axis

    def call(made: Callable[[], T]) -> T:
        conduct = services.extensions.conduct
        try:
            return conduct.attempt_soon(owned.owner, _HOOK, made, (InvalidRequest,))
        except MishapError as error:
            raise InvalidRequest(
                "axis",
                f"{axis.label}: the axis of the extension {owned.owner} did not run: "
                f"{error.mishap.text}; the Extensions tab has the traceback",
            ) from error

    choices, expand, check = axis.choices, axis.expand, axis.check
    return replace(
        axis,
        put=lambda values, value, listed: call(lambda: axis.put(values, value, listed)),
        choices=choices and (lambda services: call(lambda: _texts(choices(services)))),
        expand=expand and (lambda listed: call(lambda: list(expand(listed)))),
        check=check and (lambda value: call(lambda: check(value))),
    )


def _texts(made: object) -> Sequence[str]:
    """Raises TypeError for what is no sequence of them."""
    if not isinstance(made, Sequence) or isinstance(made, str):
        raise TypeError(f"choices must give a sequence, gave {type(made).__name__}")
    for each in made:
        if not isinstance(each, str):
            raise TypeError(f"choices must be texts, got {type(each).__name__}")
    return made


def _of_field(services: Services, field: AnyField, label: str) -> Axis:
    name = field.name
    return Axis(
        label=label,
        help=field.help,
        example=_example(field),
        kind=_kind(field),
        choices=_CHOICES.get(name) or _listed(field),
        put=_put_special(services, name) or partial(_put_field, name),
        cost=_COSTS.get(name, 0.0),
        order=-10 if name in ("model", "sampler", "schedule") else 0,
        tabs=_tabs(name),
        bare=name in ("model", "prompt", "negative_prompt", "hires.prompt"),
        check=_check(field),
    )


def _tabs(name: str) -> Sequence[str]:
    if name.startswith("hires."):
        return GENERATING[:1]
    if name.startswith(("init.mask.", "init.outpaint.")):
        return GENERATING[2:]
    return GENERATING[1:] if name.startswith("init.") else GENERATING


def _kind(field: FormField) -> AxisKind:
    if isinstance(field, IntegerField):
        return "whole"
    if isinstance(field, NumberField):
        return "number"
    return "flag" if isinstance(field, FlagField) else "text"


def _check(field: FormField) -> Callable[[Any], None] | None:
    """Of numbers: names may be written in more ways than a field has them."""
    return field.check if isinstance(field, IntegerField | NumberField) else None


def _example(field: FormField) -> str:
    """Values such as could be written: a step or two from the default."""
    if field.name.endswith("seed"):
        return "1, 2, 3 or 1-4; -1 is a random one"
    if isinstance(field, IntegerField):
        first = max(field.minimum, field.default - 2 * field.step)
        if field.step > 1:
            return f"{field.default}, {field.default + 8 * field.step} or 512-768 (+128)"
        return f"{first}, {field.default} or {first}-{field.default + 4} (+2)"
    if isinstance(field, NumberField):
        low = max(field.minimum, field.default - 2 * field.step)
        high = min(field.maximum, field.default + 2 * field.step)
        return f"{low:g}, {high:g} or {low:g}-{high:g} [5]"
    if isinstance(field, FlagField):
        return "False, True"
    if isinstance(field, ChoiceField):
        return ", ".join(field.choices[:2]) if field.choices else "names; nothing means all"
    return '"one, with a comma", another'


def _listed(field: FormField) -> Callable[[Any], Sequence[str]] | None:
    if isinstance(field, FlagField):
        return lambda services: ("False", "True")
    if isinstance(field, ChoiceField) and field.choices:
        return lambda services: field.choices
    return None


# --- what there is to choose from ----------------------------------------------------------------


def _models(services: Services) -> list[str]:
    return [each.name for each in services.library.entries() if each.problem is None]


def _vaes(services: Services) -> list[str]:
    return [AUTOMATIC_VAE, OWN_VAE, *(each.name for each in services.library.vaes())]


def _upscalers(services: Services, latent: bool = True) -> list[str]:
    named = [
        name
        for name, info in services.registry.upscalers.items()
        if latent or info.kind != "latent"
    ]
    return [*named, *(each.name for each in services.upscalers.files() if not each.problem)]


_CHOICES: Mapping[str, Callable[[Any], Sequence[str]]] = {
    "model": _models,
    "vae": _vaes,
    "sampler": lambda services: tuple(services.registry.samplers),
    "hires.sampler": lambda services: tuple(services.registry.samplers),
    "schedule": lambda services: tuple(services.registry.schedules),
    "hires.schedule": lambda services: tuple(services.registry.schedules),
    "hires.upscaler": _upscalers,
    "init.tiles.upscaler": partial(_upscalers, latent=False),
}


# --- putting a value -----------------------------------------------------------------------------


def _put_field(name: str, values: Values, value: Any, listed: Sequence[Any] = ()) -> None:
    *parts, last = name.split(".")
    place = values
    for depth, part in enumerate(parts, 1):
        inner = place.get(part)
        if inner is None:
            raise InvalidRequest(name, _NEEDS[".".join(parts[:depth])])
        place = inner
    place[last] = value


def _put_special(
    services: Services, name: str
) -> Callable[[Values, Any, Sequence[Any]], None] | None:
    if name in ("sampler", "schedule"):
        return partial(_put_named, services, name)
    if name.startswith("variation."):
        return partial(_put_variation, name.partition(".")[2])
    if name.startswith("seed_resize."):
        return partial(_put_seed_size, name.endswith("height"))
    return None


def _put_named(
    services: Services, name: str, values: Values, value: Any, listed: Sequence[Any]
) -> None:
    """What the new sampler or schedule cannot be told is left out, as on the page."""
    registry = services.registry
    values |= names.sampler_and_schedule(registry, {name: value})
    info, told = registry.samplers[values["sampler"]], values["sampling"]
    for option in told:
        if option not in info.parameters:
            told[option] = None
    if told.get("order") not in info.orders:
        told["order"] = None
    if told.get("solver_type") not in info.solver_types:
        told["solver_type"] = None
    known = names.schedule_parameters(registry, values["sampler"], values["schedule"])
    for option in values["schedule_options"]:
        if option not in known and option != "sigmas":
            values["schedule_options"][option] = None


def _put_variation(end: str, values: Values, value: Any, listed: Sequence[Any]) -> None:
    known = values.get("variation") or {"seed": values["seed"], "strength": 0.0}
    values["variation"] = {**known, end: value}


def _put_seed_size(second: bool, values: Values, value: Any, listed: Sequence[Any]) -> None:
    size = list(values.get("seed_resize") or (values["width"], values["height"]))
    size[second] = value
    values["seed_resize"] = size


# --- extensions' controls ------------------------------------------------------------------------


def _of_controls(groups: Mapping[str, ControlGroup]) -> Iterator[tuple[str, Axis]]:
    """Each with its group's name."""
    for group in groups.values():
        for field in group.fields if group.axes else ():
            yield (
                group.name,
                Axis(
                    label=f"{group.title}: {field.label}",
                    help=field.help,
                    example=_example(field),
                    kind=_kind(field),
                    choices=_listed(field),
                    put=partial(_put_extra, group, field.name),
                    tabs=group.tabs,
                    check=_check(field),
                ),
            )


def _put_extra(
    group: ControlGroup, name: str, values: Values, value: Any, listed: Sequence[Any]
) -> None:
    extras = values["extras"]
    extras[group.name] = {**extras.get(group.name, controls.defaults(group)), name: value}

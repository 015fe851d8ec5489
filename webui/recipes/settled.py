"""Values on their way into the form: each is kept if a request can have it, else lost by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui import names
from webui.errors import InvalidRequest
from webui.extensions import Conduct
from webui.fields import OWN_SIGMAS, AnyField
from webui.interfaces import ServerRegistry
from webui.library import Library
from webui.loras import Loras
from webui.metadata import images, keys, value_of
from webui.request import GenerationRequest, from_dict
from webui.upscalers import Upscalers

MAX_LOST = 200
_MAX_VALUE = 200  # characters
_ANY = "0" * 64  # the sha256 of no picture
_NAMED = (
    "hires.upscaler", "hires.sampler", "hires.schedule", "init.tiles.upscaler",
    "upscale.upscaler", "upscale.second",
)  # fmt: skip
_PAIRS = (("variation.seed", "variation.strength"), ("seed_resize.width", "seed_resize.height"))


@dataclass(frozen=True, slots=True)
class Lost:
    name: str  # as it stood there
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Tables:
    """What there is to choose from."""

    registry: ServerRegistry
    library: Library
    upscalers: Upscalers
    kept: Callable[[str], bool] = lambda sha256: False  # whether a picture is in the input store
    loras: Loras | None = None
    conduct: Conduct = field(default_factory=Conduct)


@dataclass(slots=True)
class Draft:
    """Being filled by one reader."""

    values: dict[str, Any] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    def lose(self, name: str, value: object, why: str) -> None:
        if len(self.lost) < MAX_LOST:
            self.lost.append(Lost(name[:_MAX_VALUE], _shown(value), why))
        elif len(self.lost) == MAX_LOST:
            self.lost.append(Lost("and more", "", f"only the first {MAX_LOST} are listed"))

    def drop(self, name: str, why: str) -> None:
        """A field's value is lost; an optional one becomes None, one of a picture's its default."""
        value = self.values.pop(name)
        self.lose(self.shown(name), value, why)
        if "." in name:
            self.values[name] = images.defaults(images.part_of(name)).get(name)

    def shown(self, name: str) -> str:
        """What A1111's text calls the field, or its label."""
        sampler = self.values.get("sampler") or ""
        if name in images.FLAGS:
            return images.FLAGS[name][0]
        if name in images.DECLARED:
            return images.DECLARED[name].metadata or images.DECLARED[name].label
        return keys.key(name, sampler) or keys.DECLARED[name].label


def declared(name: str) -> AnyField:
    return images.DECLARED.get(name) or keys.DECLARED[name]


def settle(tables: Tables, draft: Draft) -> None:
    """Drops what no request can have, or the sampler and schedule cannot be told; own levels
    become the form's text."""
    _drop_halves(draft)
    values, dropped = draft.values, set[str]()
    for _ in range(len(values)):
        try:
            _name(tables, values)
            break
        except InvalidRequest as error:
            if values.get(error.field) is None:
                break
            if error.field in dropped:  # its default will not do either: its part is left out
                values |= dict.fromkeys(images.defaults(images.part_of(error.field)))
                continue
            dropped.add(error.field)
            draft.drop(error.field, error.problem)
    if (own := values.get(OWN_SIGMAS.name)) is not None:
        values[OWN_SIGMAS.name] = ", ".join(f"{sigma!r}" for sigma in own)


def _name(tables: Tables, values: dict[str, Any]) -> None:
    """Looks everything up; upscalers and the second pass's sampler get their proper names. Raises
    InvalidRequest."""
    request = request_of(values)
    names.check_options(tables.registry, request)
    request = names.with_second_pass(tables.registry, request)
    request = names.with_upscalers(tables.registry, tables.upscalers, request)
    for name in _NAMED:
        if values.get(name) is not None or name == "hires.schedule":  # one name may say both
            values[name] = value_of(request, name)


def _drop_halves(draft: Draft) -> None:
    """What says nothing without something else that is not there."""
    values = draft.values
    for one, other in _PAIRS:
        for name, partner in ((one, other), (other, one)):
            if values.get(name) is not None and values.get(partner) is None:
                draft.drop(name, f"it says nothing without {draft.shown(partner)}")
    for name in [each for each in values if each.startswith("sampling.")]:
        if "sampler" not in values and values[name] is not None:
            draft.drop(name, "it belongs to a sampler that is not there")
    own = values.get(OWN_SIGMAS.name)
    if own is not None and "steps" in values and values["steps"] != len(own) - 1:
        draft.drop(OWN_SIGMAS.name, f"{len(own)} levels are not those of {values['steps']} steps")


def request_of(values: Mapping[str, Any]) -> GenerationRequest:
    """A request with these values, complete by defaults. Raises InvalidRequest."""
    nested: dict[str, Any] = {"model": "any", "prompt": "", "seed": 0}
    for name, value in values.items():
        if value is None or name in ("batch_count", "batch_size"):
            continue
        *parts, last = name.split(".")
        place = nested
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    for name in images.PICTURES:  # a form may lack what a request must have
        *parts, last = name.split(".")
        place = nested
        for part in parts:
            place = place.get(part, {})
        if place:
            place.setdefault(last, _ANY)
    if "seed_resize" in nested:
        size = nested["seed_resize"]
        nested["seed_resize"] = [size.get("width"), size.get("height")]
    own = values.get(OWN_SIGMAS.name)
    if own is not None:
        nested.setdefault("steps", len(own) - 1)
    return from_dict(nested)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 3] + "..."

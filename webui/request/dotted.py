"""A request as flat values by the names of its fields, and back: {"init.strength": 0.5}."""

from collections.abc import Mapping
from typing import Any

_SIZE = ("seed_resize.width", "seed_resize.height")
_ON = ".on"  # a part that is there, with nothing said of it


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a request, as `POST /jobs` takes it; a switch that is off says nothing."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name in _SIZE:
            size = [values.get(side) for side in _SIZE]
            made["seed_resize"] = size
            continue
        *parts, last = name.split(".")
        if name.endswith(_ON) and not value:
            continue
        place = made
        for part in parts:
            place = place.setdefault(part, {})
        if last != "on" or not parts:
            place[last] = value
    return made


def flat(request: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The inverse; what is a mapping of names, not a part, stays whole under its own name."""
    made: dict[str, Any] = {}
    for name, value in request.items():
        whole = f"{prefix}{name}"
        if whole == "seed_resize":
            made |= dict(zip(_SIZE, value, strict=True))
        elif isinstance(value, Mapping) and whole not in ("embeddings", "loras", "extras"):
            made |= flat(value, f"{whole}.") or {f"{whole}{_ON}": True}
        else:
            made[whole] = value
    return made

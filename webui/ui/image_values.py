"""Pictures on a form: what stands in it becomes a request's init, hires and upscale, and back.

A component for pictures holds a JSON list, one object for each: {"sha256", "name", "width",
"height"}, the last three for people. Parts with a switch ("hires.on") are left out where it is off.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import FIELDS, IntegerField
from webui.ui import form

_ROOTS = ("init", "hires", "upscale")
_PICTURES = ("init.picture", "upscale.picture", "init.mask.picture")
_MISSING = {
    "init.mask.picture": "is empty: paint over what is to be made anew, or load a mask",
}
# what is made of a picture -> the parts of a request that have nothing to do with it
_UNUSED = {
    "inpaint": ("init.outpaint.",),
    "outpaint": ("init.mask.",),
    "sketch": ("init.mask.", "init.outpaint."),
}
_SWITCHES = ("hires.on", "init.loopback.on", "init.tiles.on")
# boxes for numbers that may be left empty, and hold text
_TYPED = ("hires.width", "hires.height", "hires.guidance_scale", "upscale.width", "upscale.height")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

Values = Mapping[str, Any]


def own(name: str) -> bool:
    """Whether a field of that name is dealt with here."""
    return name.partition(".")[0] in (*_ROOTS, "size")


# --- from the form -------------------------------------------------------------------------------


def split(values: Values) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each picture in the form its name and the form with it alone; else the form, unnamed.

    Raises InvalidRequest where there is a place for pictures, and none in it.
    """
    field = next((name for name in _PICTURES if name in values), None)
    if field is None:
        yield "", dict(values)
        return
    for picture in pictures(field, values[field]):
        yield str(picture.get("name") or ""), {**values, field: json.dumps([picture])}


def pictures(field: str, value: object) -> list[dict[str, Any]]:
    """What a component for pictures holds. Raises InvalidRequest if it is none, or nothing."""
    try:
        listed = json.loads(value) if isinstance(value, str) and value else []
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not all(_is_picture(each) for each in listed):
        raise InvalidRequest(field, "is not a list of pictures; choose one again")
    if not listed:
        said = _MISSING.get(field, "is missing: choose one, or drop or paste it")
        raise InvalidRequest(field, said)
    return listed


def _is_picture(each: object) -> bool:
    sha256 = each.get("sha256") if isinstance(each, dict) else None
    return isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None


def packed(values: Values) -> dict[str, Any]:
    """The parts of a request, of the first picture in the form; and its size, where it goes by the
    picture's. Raises InvalidRequest."""
    made: dict[str, Any] = {}
    for root in _ROOTS:
        if any(name.startswith(f"{root}.") for name in values) and values.get(f"{root}.on", True):
            made[root] = _part(root, _chosen(values))
    if values.get("size.mode") == "by factor":
        picture = pictures("init.picture", values.get("init.picture"))[0]
        made |= by_factor(picture, form.number("size.scale", values.get("size.scale")))
    return made


def _chosen(values: Values) -> Values:
    """Without what another way to make it, or to say its size, has."""
    if "init.mode" in values:
        unused = _UNUSED.get(str(values["init.mode"]))
        if unused is None:
            form.declared("init.mode").check(values["init.mode"])
        return {name: value for name, value in values.items() if not name.startswith(unused or ())}
    if "upscale.mode" not in values:
        return values
    by = values["upscale.mode"] == "by factor"
    others = ("upscale.width", "upscale.height", "upscale.crop") if by else ("upscale.scale",)
    return {name: value for name, value in values.items() if name not in others}


def _part(root: str, values: Values) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in values.items():
        path = name.split(".")
        inner = [".".join(path[:end]) for end in range(2, len(path))]
        off = any(not values.get(f"{part}.on", True) for part in inner)
        if path[0] != root or path[-1] in ("on", "mode") or off or value in (None, ""):
            continue
        if name in _PICTURES:
            value = pictures(name, value)[0]["sha256"]
        place = made
        for step in path[1:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = form.number(name, value)
    for name in _PICTURES:
        if name.partition(".")[0] == root and name in values and values[name] in (None, ""):
            pictures(name, "")
    return made


def by_factor(picture: Values, scale: Any) -> dict[str, int]:
    """The size of a request that makes `picture` larger by `scale`, in whole steps of a slider."""
    FIELDS_SCALE.check(scale)
    size = {}
    for side in ("width", "height"):
        field, pixels = FIELDS[side], picture.get(side)
        assert isinstance(field, IntegerField)
        if not isinstance(pixels, int) or pixels < 1:
            raise InvalidRequest("size.mode", "needs the picture's size; choose the picture again")
        size[side] = field.nearest(int(pixels * scale + 0.5))
    return size


FIELDS_SCALE = form.declared("size.scale")

# --- and back ------------------------------------------------------------------------------------


def unpacked(values: Values) -> dict[str, Any]:
    """What a recipe's `values` say of pictures, as the form's components hold it.

    What a recipe says nothing of stays as it is in the form; its switches are turned off.
    """
    said = {name: value for name, value in values.items() if own(name)}
    made = {name: _shown(name, value) for name, value in said.items() if value is not None}
    for switch in _SWITCHES:
        part = switch.removesuffix("on")
        if any(name.startswith(part) for name in said):
            made[switch] = any(name.startswith(part) for name in made)
    if any(name.startswith("init.mask.") for name in made):
        made["init.mode"] = "inpaint"
    elif any(name.startswith("init.outpaint.") for name in made):
        made["init.mode"] = "outpaint"
    if "width" in values:
        made["size.mode"] = "to size"
    if any(name.startswith("upscale.") for name in made):
        sized = any(made.get(f"upscale.{side}") for side in ("width", "height"))
        made["upscale.mode"] = "to size" if sized else "by factor"
    return made


def _shown(name: str, value: Any) -> Any:
    if name in _PICTURES:
        return json.dumps([{"sha256": value, "name": ""}])
    if name in _TYPED:
        return "" if value == 0 else f"{value:g}"
    return value

"""A1111's scripts that there is something for here, by A1111's names and arguments.

A script is chosen by `script_name`, one for a call; those in `alwayson_scripts` come besides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from webui.api.openapi import foreign
from webui.api.openapi.says import says
from webui.api.sdapi import reading
from webui.api.sdapi.desk import Desk
from webui.api.sdapi.extension_scripts import Groups, of_groups
from webui.api.sdapi.reading import Values
from webui.api.sdapi.script import BOTH, Argument, Flat, Script, anything
from webui.errors import InvalidRequest
from webui.fields import ChoiceField, FormField, IntegerField, NumberField, shown

_SIDES = ("left", "right", "up", "down")


def _sides(name: str, value: Any) -> list[str]:
    return [reading.entry(name, each, _SIDES) for each in reading.json_list(name, value)]


def _soft(flat: Flat, given: Sequence[Any]) -> None:
    if given[0] and "init.mask.picture" in flat:
        flat["init.mask.soft"] = True


def _tiles(flat: Flat, given: Sequence[Any]) -> None:
    _, overlap, upscaler, scale = given
    flat |= {"init.tiles.overlap": overlap, "init.tiles.scale": scale}
    flat["init.tiles.upscaler"] = "Lanczos" if upscaler.casefold() == "none" else upscaler


def _loopback(flat: Flat, given: Sequence[Any]) -> None:
    loops, strength, curve = given
    flat |= {
        "init.loopback.loops": loops,
        "init.loopback.final_strength": strength,
        "init.loopback.curve": curve.lower(),
    }


def _outpaint(flat: Flat, pixels: int, blend: int, sides: Sequence[str]) -> None:
    if "init.mask.picture" in flat:
        raise InvalidRequest("mask", "is not taken with outpainting, which has a mask of its own")
    flat |= {f"init.outpaint.{side}": pixels for side in sides}
    flat["init.outpaint.blend"] = blend


_PIXELS = Argument("Pixels to expand", reading.whole, 128, "init.outpaint.left")
_BLUR = Argument("Mask blur", reading.whole, 16, "init.outpaint.blend")
_DIRECTION = Argument("Outpainting direction", _sides, list(_SIDES))

SCRIPTS: Sequence[Script] = (
    Script(
        "soft inpainting",
        (Argument("Soft inpainting", reading.flag, False),),
        _soft,
        always_on=True,
    ),
    Script(
        "sd upscale",
        (
            Argument("", anything, ""),  # a line of text on A1111's page
            Argument("Tile overlap", reading.whole, 64, "init.tiles.overlap"),
            Argument("Upscaler", reading.text, "Lanczos", "init.tiles.upscaler"),
            Argument("Scale Factor", reading.number, 2.0, "init.tiles.scale"),
        ),
        _tiles,
    ),
    Script(
        "loopback",
        (
            Argument("Loops", reading.whole, 4, "init.loopback.loops"),
            Argument(
                "Final denoising strength", reading.number, 0.5, "init.loopback.final_strength"
            ),
            Argument("Denoising strength curve", reading.text, "Linear", "init.loopback.curve"),
        ),
        _loopback,
    ),
    Script(
        "poor man's outpainting",
        (_PIXELS, _BLUR, Argument("Masked content", anything, "fill"), _DIRECTION),
        lambda flat, given: _outpaint(flat, given[0], given[1], given[3]),
    ),
    Script(
        "outpainting mk2",
        (Argument("", anything, ""), _PIXELS, _BLUR, _DIRECTION),
        lambda flat, given: _outpaint(flat, given[1], given[2], given[3]),
    ),
)


def scripts_of(groups: Groups) -> tuple[Script, ...]:
    """Ours, and those of extensions' controls."""
    return (*SCRIPTS, *of_groups(groups))


def apply(groups: Groups, body: Values, flat: Flat, img2img: bool) -> None:
    """Fills what the call's scripts say. Raises InvalidRequest, naming one that is not here."""
    known = [each for each in scripts_of(groups) if BOTH[img2img] in each.tabs]
    wanted = body.get("script_name")
    if wanted is not None and wanted != "" and wanted != "None":
        script = _found(known, "script_name", wanted, False, img2img)
        _fill(script, reading.json_list("script_args", body.get("script_args")), flat)
    always = reading.json_object("alwayson_scripts", body.get("alwayson_scripts"))
    for name, said in always.items():
        script = _found(known, "alwayson_scripts", name, True, img2img)
        _fill(script, reading.json_list(name, reading.json_object(name, said).get("args")), flat)


def _found(
    known: Sequence[Script], field: str, name: object, always_on: bool, img2img: bool
) -> Script:
    fit = [each for each in known if each.always_on == always_on]
    for each in fit:
        if isinstance(name, str) and name.casefold() == each.name:
            return each
    there = ", ".join(each.name for each in fit) or "none"
    raise InvalidRequest(field, f"{shown(name)} is not here; of {BOTH[img2img]} there are: {there}")


def _fill(script: Script, given: Sequence[Any], flat: Flat) -> None:
    """What is missing at the end has its default; more than there are is left. One object instead
    says them by their names."""
    if script.keys and len(given) == 1 and isinstance(given[0], dict):
        for name in given[0]:
            if name not in script.keys:
                known = ", ".join(script.keys)
                raise InvalidRequest(script.name, f"has no {shown(name)}; known are {known}")
        given = [given[0].get(name) for name in script.keys]
    read = [
        each.read(f"{script.name}: {each.label}", given[place])
        if place < len(given) and given[place] is not None
        else each.default
        for place, each in enumerate(script.arguments)
    ]
    script.fill(flat, read)


def router(desk: Desk) -> APIRouter:
    router = APIRouter()
    known = scripts_of(desk.services.registry.controls)

    @router.get("/scripts", **says(foreign.Scripts))
    def scripts() -> dict[str, list[str]]:
        return {tab: [each.name for each in known if tab in each.tabs] for tab in BOTH}

    @router.get("/script-info", **says(list[foreign.Named]))
    def script_info() -> list[dict[str, Any]]:
        return [
            {
                "name": each.name,
                "is_alwayson": each.always_on,
                "is_img2img": tab == "img2img",
                "args": [_described(argument) for argument in each.arguments],
            }
            for each in known
            for tab in each.tabs
        ]

    return router


def _described(argument: Argument) -> Mapping[str, Any]:
    declared: FormField | None = argument.declared
    numeric = declared if isinstance(declared, IntegerField | NumberField) else None
    choices = declared.choices if isinstance(declared, ChoiceField) else ()
    if argument.label == _DIRECTION.label:
        choices = _SIDES
    return {
        "label": argument.label,
        "value": argument.default,
        "minimum": numeric.minimum if numeric else None,
        "maximum": numeric.maximum if numeric else None,
        "step": numeric.step if numeric else None,
        "choices": list(choices) or None,
    }

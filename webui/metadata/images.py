"""What A1111's text says of the pictures that a request begins with, and of what is done to them.

One table, used by the writer and the reader. A1111 leaves out what is at its default; so does this,
but for what tells that there is a mask, a second pass or the like at all.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from webui.fields import FIELDS, AnyField
from webui.request import GenerationRequest

_ROOTS = ("init", "hires", "upscale")
DECLARED: Mapping[str, AnyField] = MappingProxyType(
    {name: each for name, each in FIELDS.items() if name.partition(".")[0] in _ROOTS}
)
PICTURES = ("init.picture", "init.mask.picture", "upscale.picture")  # sha256
INIT_HASH = "Init image hash"  # of ours the whole sha256; A1111's is another
FLAGS: Mapping[str, tuple[str, Mapping[str, bool]]] = {  # name -> key, what it may say
    "init.exact_steps": ("Exact steps", {"False": False, "True": True}),
    "init.mask.inverted": (
        "Mask mode",
        {"Inpaint masked": False, "Inpaint not masked": True},
    ),
    "init.mask.soft": ("Soft inpainting enabled", {"False": False, "True": True}),
    "upscale.crop": ("Postprocess crop", {"False": False, "True": True}),
}
NAMES: tuple[str, ...] = (*DECLARED, *FLAGS, *PICTURES)  # all that a form may hold
SIZES: Mapping[str, tuple[str, str]] = {
    "Hires resize": ("hires.width", "hires.height"),
    "Postprocess upscale to": ("upscale.width", "upscale.height"),
}
SAID: Mapping[str, Mapping[str, str]] = {  # A1111's spelling of a choice
    "init.resize": {
        "just resize": "Just resize",
        "crop and resize": "Crop and resize",
        "resize and fill": "Resize and fill",
        "latent upscale": "Just resize (latent upscale)",
    },
    "init.mask.area": {"whole picture": "Whole picture", "only masked": "Only masked"},
    "init.loopback.curve": {"aggressive": "Aggressive", "linear": "Linear", "lazy": "Lazy"},
}
SAME = {  # how A1111 says: as in the first pass
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires Module 1": "Use same choices",
}
# what is left out at its default; the others say that the part is there
_QUIET = frozenset(
    (
        "init.resize", "init.noise_multiplier", "init.mask.content", "init.mask.area",
        "init.outpaint.left", "init.outpaint.right", "init.outpaint.up", "init.outpaint.down",
        "hires.steps", "upscale.second_visibility",
    )
)  # fmt: skip
_PARTS = ("init", "init.mask", "init.outpaint", "init.tiles", "init.loopback", "hires", "upscale")

Pair = tuple[str, str, Any]  # key, the field's name, its value


def pairs(request: GenerationRequest) -> Iterator[Pair]:
    """All but the strength, in A1111's order as far as it has one."""
    sized = {side for key, sides in SIZES.items() for side in sides}
    for name, (key, words) in FLAGS.items():
        value = _value(request, name)
        if value is not None and (value or name == "init.mask.inverted"):
            yield key, name, next(word for word, flag in words.items() if flag == value)
    for name, field in DECLARED.items():
        value = _value(request, name)
        if name in sized or field.metadata is None or name in ("init.strength", "hires.strength"):
            continue
        if value is None or (name in _QUIET and value == field.default) or _idle(request, name):
            continue
        yield field.metadata, name, value
    for key, (across, down) in SIZES.items():
        width, height = _value(request, across), _value(request, down)
        if width or height:
            yield key, across, f"{width}x{height}"


def strength(request: GenerationRequest) -> Iterator[Pair]:
    """Which A1111 writes before anything else of these."""
    for name in ("init.strength", "hires.strength"):
        if (value := _value(request, name)) is not None:
            yield "Denoising strength", name, value


def part_of(name: str) -> str:
    """The part of a request that a field is in: "init.mask" of "init.mask.blur"."""
    return name.rpartition(".")[0]


def defaults(part: str) -> dict[str, Any]:
    """name -> default, of what is set for a part that is there."""
    if part not in _PARTS:
        return {}
    found: dict[str, Any] = {
        name: field.default for name, field in DECLARED.items() if part_of(name) == part
    }
    optional = {"hires.sampler", "hires.schedule", "hires.prompt", "hires.negative_prompt"}
    optional |= {"hires.guidance_scale", "upscale.second"}
    flags = {name: False for name in FLAGS if part_of(name) == part}
    return {name: None if name in optional else value for name, value in found.items()} | flags


def _idle(request: GenerationRequest, name: str) -> bool:
    """Whether another field makes it say nothing."""
    if name == "init.mask.padding":
        return bool(_value(request, "init.mask.area") != "only masked")
    if name in ("hires.scale", "upscale.scale"):
        part = part_of(name)
        return bool(_value(request, f"{part}.width") or _value(request, f"{part}.height"))
    if name == "upscale.second_visibility":
        return _value(request, "upscale.second") is None
    return False


def _value(request: GenerationRequest, name: str) -> Any:
    value: Any = request
    for part in name.split("."):
        value = getattr(value, part, None)
    return value

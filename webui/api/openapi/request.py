"""A job's request for OpenAPI: its dataclasses, with what `webui.fields` declares of each field."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from webui.fields import BATCH_COUNT, FIELDS, RESUME, STOP_AT, AnyField
from webui.fields.kinds import ChoiceField, IntegerField, NumberField, TextField
from webui.interfaces import ServerRegistry
from webui.request import GenerationRequest
from webui.sidecars import SUITED

Shape = dict[str, Any]
REF = "#/components/schemas/"
POINTS = "x-points-to"  # in a class of this package: becomes a reference to one of these
SENT, KEPT = "NewRequest", "Request"  # with what may be left out, and complete
PICTURE: Shape = {"type": "string", "pattern": "^[0-9a-f]{64}$"}  # a sha256
EXAMPLE: Shape = {
    "prompt": "a red fox in snow", "steps": 20, "width": 512, "height": 512, "seed": 42,
}  # fmt: skip

_DECLARED: Mapping[str, AnyField] = {
    **FIELDS, **{each.name: each for each in RESUME}, STOP_AT.name: STOP_AT,
}  # fmt: skip
_PLAIN: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_HELP: Mapping[str, str] = {  # of what is no field of the form
    "embeddings": "Embeddings by name, with the sha256 of the file that is to be used.",
    "loras": "LoRAs by name, with the sha256 of the tensors that are to be used.",
    "variation": "Noise turned towards another seed's.",
    "seed_resize": "Width and height whose noise is used.",
    "sampling": "What this sampler can be told; null is its own default.",
    "schedule_options": "What this schedule can be told; null is its own default.",
    "schedule_options.sigmas": "Noise levels of one's own, falling, the last one 0.",
    "init": "A picture to begin with: img2img; with a mask inpainting.",
    "init.picture": "sha256 of a picture that was sent to /inputs.",
    "init.exact_steps": "Makes all steps, not the share that the strength says.",
    "init.mask": "Where the picture is made anew.",
    "init.mask.picture": "sha256 of a picture of the same size: white is made anew.",
    "init.mask.inverted": "Black is made anew instead.",
    "init.mask.soft": "Grey is made anew late.",
    "init.outpaint": "The picture grown at its sides.",
    "init.tiles": "The picture made larger, then anew tile by tile.",
    "init.loopback": "The result made anew several times.",
    "init.loopback.stop_after": "The loop whose picture is the last one; 0 makes all of them.",
    "hires": "A second pass at a larger size.",
    "hires.picture": "sha256 of a finished first pass, which is not made again then.",
    "upscale": "A picture to make larger; nothing is generated.",
    "upscale.picture": "sha256 of a picture that was sent to /inputs.",
    "upscale.crop": "Cut to the shape of width and height instead of fitting into them.",
    "upscale.second": "Another upscaler, mixed in.",
    "resume": "A kept step of a picture to go on from; POST /jobs/{id}/branch fills it in.",
    "resume.job": "The job whose steps are kept.",
    "resume.sha256": "Of all that is taken over.",
    "extras": "Settings of extensions, by their names.",
}


def schemas(registry: ServerRegistry) -> dict[str, Shape]:
    """By name: the request as it is sent, as it is kept, and their parts."""
    found = dict(_parts(GenerationRequest, ""))
    whole = found.pop("GenerationRequest")
    for name, known in (("sampler", registry.samplers), ("schedule", registry.schedules)):
        whole["properties"][name]["examples"] = list(known)[:3]
    kept = {**whole, "description": "A request, complete: the same one gives the same picture."}
    kept["required"] = list(whole["properties"])
    kept["additionalProperties"] = True
    return {**found, SENT: _sent(whole), KEPT: kept}


def property_of(declared: AnyField, least: float | None = None) -> Shape:
    """A declared field; `least` where less than its minimum means something."""
    shape: Shape = {"description": declared.help}
    match declared:
        case TextField():
            shape |= {"type": "string", "maxLength": declared.max_length}
        case ChoiceField():
            shape |= {"type": "string", "minLength": 1}
            if declared.choices:
                shape["enum"] = list(declared.choices)
        case IntegerField() | NumberField():
            whole = isinstance(declared, IntegerField)
            shape |= {
                "type": "integer" if whole else "number",
                "minimum": declared.minimum if least is None else least,
                "maximum": declared.maximum,
            }
            if whole and declared.step > 1:
                shape["multipleOf"] = declared.step
    return shape


def _sent(whole: Shape) -> Shape:
    properties = {**whole["properties"], BATCH_COUNT.name: property_of(BATCH_COUNT)}
    seed = FIELDS["seed"]
    properties["seed"] = property_of(seed, -1) | {
        "default": -1, "description": f"{seed.help} -1 is a random one.",
    }  # fmt: skip
    for name, why in (
        ("model", "The one that ships where it is missing."),
        ("width", "The model's own, or the picture's, where it is missing."),
        ("height", "The model's own, or the picture's, where it is missing."),
        ("images", "Or else batch_count, times batch_size."),
        *((name, f"As it suits the model; else {_told(FIELDS[name])}.") for name in SUITED),
    ):
        shape = {key: value for key, value in properties[name].items() if key != "default"}
        properties[name] = shape | {"description": f"{shape['description']} {why}"}
    return {
        **whole,
        "description": "What to make; what is missing takes its default. Samplers and schedules "
        'also by their aliases, or both in one: "DPM++ 2M Karras".',
        "properties": properties,
        "required": [],
        "additionalProperties": False,
        "examples": [EXAMPLE],
    }


def _told(field: AnyField) -> str:
    """Its default."""
    return field.default if isinstance(field.default, str) else f"{field.default:g}"


def _parts(kind: Any, prefix: str) -> Iterator[tuple[str, Shape]]:
    """(name, schema) of a dataclass and of those in it."""
    hints, properties, required = get_type_hints(kind), {}, []
    for each in fields(kind):
        full = f"{prefix}{each.name}"
        shape, nested = _property(full, hints[each.name])
        if nested is not None:
            yield from _parts(nested, f"{full}.")
        if each.default is not MISSING and not is_dataclass(each.default):
            shape["default"] = each.default
        elif each.default_factory is MISSING:
            required.append(each.name)
        properties[each.name] = shape
    yield (
        kind.__name__,
        {
            "type": "object",
            "description": (kind.__doc__ or "").strip().split("\n")[0],
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    )


def _property(name: str, hint: Any) -> tuple[Shape, Any]:
    """Its schema, and the dataclass that it is, if it is one."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    [real] = [each for each in options if each is not type(None)]
    described = {"description": _HELP[name]} if name in _HELP else {}
    if is_dataclass(real):
        shape: Shape = {"$ref": f"{REF}{real.__name__}"}  # type: ignore[union-attr]
    elif name.endswith((".picture", ".sha256")):
        shape = dict(PICTURE)
    elif name in _DECLARED:
        shape = property_of(_DECLARED[name])
        described = {"description": shape.pop("description")}
    else:
        shape = _plain(name, real)
    if type(None) in options:
        shape = {"anyOf": [shape, {"type": "null"}]}
    return {**shape, **described}, real if is_dataclass(real) else None


def _plain(name: str, hint: Any) -> Shape:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if get_origin(hint) is tuple and name == "seed_resize":
        return {
            "type": "array",
            "prefixItems": [property_of(FIELDS[f"{name}.{side}"]) for side in ("width", "height")],
            "items": False, "minItems": 2, "maxItems": 2,
        }  # fmt: skip
    if get_origin(hint) is tuple:  # schedule_options.sigmas
        most = FIELDS["steps"].maximum + 1  # type: ignore[union-attr]
        number = {"type": "number", "minimum": 0, "maximum": 1000}
        return {"type": "array", "items": number, "minItems": 2, "maxItems": most}
    value = get_args(hint)[1]
    return {"type": "object", "additionalProperties": dict(PICTURE) if value is str else True}

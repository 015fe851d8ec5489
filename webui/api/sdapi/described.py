"""txt2img and img2img for OpenAPI: A1111's fields with its defaults and our bounds."""

from collections.abc import Mapping
from typing import Any

from webui.api.openapi.request import EXAMPLE
from webui.api.sdapi import fields
from webui.fields import BATCH_COUNT, FIELDS, AnyField, IntegerField, NumberField

_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def body(table: fields.Table, echo: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of such a call."""
    properties = {name: _property(name, table, default) for name, default in echo.items()}
    return {"type": "object", "properties": properties, "examples": [EXAMPLE]}


def _property(name: str, table: fields.Table, default: Any) -> dict[str, Any]:
    known: dict[str, Any] = {} if default is None else {"default": default}
    if type(default) in _TYPES:
        known["type"] = [_TYPES[type(default)], "null"]  # null is the default
    ours = table[name][0] if name in table else ""
    declared: AnyField | None = BATCH_COUNT if ours == BATCH_COUNT.name else FIELDS.get(ours)
    if declared is None:
        return known
    known["description"] = declared.help
    if isinstance(declared, IntegerField | NumberField):
        least = -1 if name in ("seed", "subseed") else declared.minimum  # -1: a random one
        if not name.startswith("seed_resize"):  # where 0 and -1 are none
            known |= {"minimum": least, "maximum": declared.maximum}
        known.setdefault(
            "type", ["integer" if isinstance(declared, IntegerField) else "number", "null"]
        )
    return known

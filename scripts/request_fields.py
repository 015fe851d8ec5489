"""Writes docs/request.md: every field of a request, from the declarations that check it.

    python -m scripts.request_fields

It reads what the API's OpenAPI document says, and so knows no field itself.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from webui.api.openapi.request import REF, SENT, schemas
from webui.interfaces import ServerRegistry

PAGE = Path(__file__).parent.parent / "docs" / "request.md"
HEAD = """# The fields of a request

What [`POST /api/v1/jobs`](api.md#jobs) takes as `request`. What is left out has its default; where
none is shown, that is null, or what the line says. For its size, `steps`, `guidance_scale`,
`sampler`, `schedule` and `clip_skip` a model may bring its own: [models](models.md). *needed* has
to be given if its object is. A name that is not here is refused.

<!-- Written by `python -m scripts.request_fields` from webui/fields/: change it there. -->
"""


def page() -> str:
    """docs/request.md as it has to be."""
    found = schemas(ServerRegistry({}, {}, {}, {}, (), ()))
    return HEAD + "".join(_sections("", "A whole request.", found[SENT], found))


def _sections(
    place: str, title: str, shape: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[str]:
    """The part of a request that stands at `place`, then those in it."""
    fields: Mapping[str, Any] = shape["properties"]
    rows = (
        f"| `{name}` | {_values(f'{place}{name}', each)} | {_default(name, each, shape)} "
        f"| {each['description']} |"
        for name, each in fields.items()
    )
    table = "\n".join(("| field | values | default | |", "| --- | --- | --- | --- |", *rows))
    heading = f"`{place.rstrip('.')}`" if place else "All fields"
    yield f"\n## {heading}\n\n{title}\n\n{table}\n"
    for name, each in fields.items():
        if part := _part(each):
            yield from _sections(f"{place}{name}.", each["description"], found[part], found)


def _part(field: Mapping[str, Any]) -> str:
    """The name of the schema that the field's value has; "" where it is no part of its own."""
    for each in field.get("anyOf", (field,)):
        if "$ref" in each:
            return str(each["$ref"]).removeprefix(REF)
    return ""


def _default(name: str, field: Mapping[str, Any], shape: Mapping[str, Any]) -> str:
    if name in shape["required"]:
        return "*needed*"
    value = field.get("default")
    if value is None or value == "":
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{_json(value)}`"


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _values(place: str, field: Mapping[str, Any]) -> str:
    """What a field may be, in a few words; null, which is as if it were left out, is not said."""
    if _part(field):
        return f"[object](#{place.replace('.', '')})"
    [each] = [each for each in field.get("anyOf", (field,)) if each.get("type") != "null"]
    kind: str = each["type"]
    if "enum" in each:
        return ", ".join(f"`{value}`" for value in each["enum"])
    if "pattern" in each:
        return "sha256"
    if "minimum" in each:
        steps = f", by {each['multipleOf']}" if "multipleOf" in each else ""
        return f"{each['minimum']:g} to {each['maximum']:.12g}{steps}"
    if kind == "string":
        return "name" if each.get("minLength") else "text"
    return _WORDS.get(kind, kind)


_WORDS = {"array": "list of numbers", "boolean": "`true`, `false`", "integer": "whole number"}

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

"""What a route says of itself for OpenAPI, beside its address.

    @router.post("", **says(Job, body=NewJob, status=201, errors=(409, 503, 507)))

Bodies are read by `webui.api.body` and by `webui.services`, which name what is wrong in our words;
what stands here is the documentation, and schemathesis holds it against the answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

REF = "#/components/schemas/"
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "image/bmp")
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}
STREAM: Mapping[str, Any] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": 'id: 3f2a.4\nevent: Step\ndata: {"seq": 4, "job": "a1b2c3d4", "type": "Step", '
        '"batch": 0, "step": 2, "steps": 20, "sigma": 9.1, "seconds": 0.2}\n\n',
    }
}


def says(
    answer: Any = None,
    *,
    status: int = 200,
    body: Any = None,
    optional: bool = False,
    errors: Sequence[int] = (),
    content: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Keywords of a route's decorator.

    `answer` and `body` are classes of this package, `list[...]` of one, or ready schemas;
    `optional`: the body may be missing. `content` instead of an answer that is no JSON: media types
    with what OpenAPI says of each. `errors`: statuses besides those that every route has.
    """
    given = content or {"application/json": {"schema": schema(answer)}}
    extra: dict[str, Any] = {"x-errors": list(errors)}
    if body is not None:
        sent = {"application/json": {"schema": schema(body)}}
        extra["requestBody"] = {"required": not optional, "content": sent}
    return {
        "status_code": status,
        "response_model": None,
        "responses": {status: {"content": dict(given)}},
        "openapi_extra": extra,
    }


def files(*media_types: str) -> dict[str, Any]:
    return {each: {"schema": dict(BINARY)} for each in media_types}


def schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, dict):
        return kind
    if get_origin(kind) is list:
        return {"type": "array", "items": schema(get_args(kind)[0])}
    return {"$ref": f"{REF}{kind.__name__}"}

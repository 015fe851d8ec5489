"""Bodies: read whole within limits, looked through, and given on."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from webui.guard.asgi import Message, Receive, Refusal, Scope, header


async def whole_body(scope: Scope, receive: Receive, limit: int) -> bytes | Refusal | None:
    """None if the client went away."""
    too_large = Refusal(413, f"at most {limit} bytes of JSON fit in one request")
    if length(scope) > limit:
        return too_large
    parts, taken, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        taken += len(parts[-1])
        if taken > limit:
            return too_large
        more = message.get("more_body", False)
    return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body again, in one piece; after it whatever comes, which is the end."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def paths(value: object) -> list[str]:
    """What every object in a JSON value has under "path": Gradio takes such objects for files."""
    found, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            left += each.values()
            if isinstance(each.get("path"), str):
                found.append(each["path"])
        elif isinstance(each, list):
            left += each
    return found


def length(scope: Scope) -> int:
    lengths = header(scope, b"content-length")
    return int(lengths[0]) if lengths and lengths[0].isascii() and lengths[0].isdigit() else 0


def media_type(scope: Scope) -> str:
    """Without parameters; "" if there is none, or more than one."""
    kinds = header(scope, b"content-type")
    return kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""


def parameters(text: bytes) -> dict[str, str]:
    """Of a form or a query, the first of each name; what is malformed or too many are none."""
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        return {}
    return dict(reversed(pairs))

"""Answers: refusals of ours, and what is added to everybody's."""

import json
from collections.abc import Sequence

from webui.guard.asgi import Message, Refusal, Scope, Send

_SERVED_FILES = ("/gradio_api/file", "/gradio_api/stream", "/api/v1/pictures/")
_ACTIVE = ("html", "svg", "xml", "javascript", "ecmascript")  # in the type of what could run
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


async def refuse(send: Send, refusal: Refusal) -> None:
    error = {"kind": "Refused", "text": refusal.text, "field": None}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what is left of the body is not read
        *_HEADERS,
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def hardened(scope: Scope, send: Send) -> Send:
    """`send` with our headers; a file that could run in the browser is only ever saved."""

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _hardened_headers(scope, message.get("headers", ()))}
        await send(message)

    return hardened


def _hardened_headers(
    scope: Scope, given: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    ours = {name for name, _ in _HEADERS}
    headers = [
        (name, value)
        for name, value in given
        # Gradio lets every origin in for host names that it does not know
        if name.lower() not in ours and not name.lower().startswith(b"access-control-")
    ]
    kinds = [
        value.decode("latin-1").lower() for name, value in given if name.lower() == b"content-type"
    ]
    if scope["path"].startswith(_SERVED_FILES) and any(
        active in kind for kind in kinds for active in _ACTIVE
    ):
        headers = [each for each in headers if each[0].lower() != b"content-disposition"]
        headers.append((b"content-disposition", b"attachment"))
    return [*headers, *_HEADERS]

"""Answers: those of ours, and what is added to everybody's."""

import json
from collections.abc import Sequence
from typing import Any

from webui.guard.asgi import Header, Message, Refusal, Scope, Send

_SERVED_FILES = ("/gradio_api/file", "/gradio_api/stream", "/api/v1/pictures/")
_A1111 = ("/sdapi/", "/internal/")
_ACTIVE = ("html", "svg", "xml", "javascript", "ecmascript")  # in the type of what could run
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Gradio's page has scripts in its text and makes functions of text: what it may not do is load
# from, send to or be framed by another site, and bring plug-ins or another base address.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """In the API's form; at A1111's addresses in the one that its clients read."""
    text = refusal.text
    error: dict[str, Any] = {"error": {"kind": "Refused", "text": text, "field": None}}
    if scope["path"].startswith(_A1111):
        error = {"error": "Refused", "detail": text, "body": "", "errors": text}
    headers = (
        (b"content-type", b"application/json"),
        (b"connection", b"close"),  # what is left of the body is not read
        *refusal.headers,
    )
    await respond(send, refusal.status, headers, json.dumps(error).encode())


async def respond(send: Send, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def hardened(scope: Scope, send: Send, shared: Sequence[Header] = ()) -> Send:
    """`send` with our headers; a file that could run in the browser is only ever saved.

    `shared` are those for a page of another origin that may read the answer.
    """

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = _hardened_headers(scope, message.get("headers", ()))
            message = {**message, "headers": [*headers, *shared]}
        await send(message)

    return hardened


def _hardened_headers(scope: Scope, given: Sequence[Header]) -> list[Header]:
    ours = {name for name, _ in _HEADERS}
    headers = [
        (name.lower(), value)
        for name, value in given
        # Gradio lets every origin in for host names that it does not know
        if name.lower() not in ours and not name.lower().startswith(b"access-control-")
    ]
    kinds = [value.decode("latin-1").lower() for name, value in headers if name == b"content-type"]
    is_file = scope["path"].startswith(_SERVED_FILES)
    if is_file and any(active in kind for kind in kinds for active in _ACTIVE):
        headers = [each for each in headers if each[0] != b"content-disposition"]
        headers.append((b"content-disposition", b"attachment"))
    if not any(name == b"content-security-policy" for name, _ in headers):
        if is_file:
            headers.append((b"content-security-policy", FILE_POLICY.encode()))
        elif any(kind.startswith("text/html") for kind in kinds):
            headers.append((b"content-security-policy", PAGE_POLICY.encode()))
    return [*headers, *_HEADERS]

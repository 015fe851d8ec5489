"""The colours of the page before it is there.

Gradio's document is drawn as the system has it, light or dark, until its scripts have run: who
chose the other one saw a flash of the wrong one. Gradio has no place for a line in the document
itself, so that is written into it on its way out.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], Any, _Send], Awaitable[None]]

_HEAD = b"<head>"


def painted(app: _App) -> _App:
    """`app`, whose document at "/" begins with first_paint.html; everything else is as it was."""
    early = (Path(__file__).parent / "first_paint.html").read_bytes()

    async def wrapped(scope: MutableMapping[str, Any], receive: Any, send: _Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await app(scope, receive, send)
        else:
            await app(scope, receive, _rewriting(send, early))

    return wrapped


def _rewriting(send: _Send, early: bytes) -> _Send:
    """Sends the answer once it is whole, with `early` at the beginning of its head."""
    held: list[_Message] = []

    async def rewrite(message: _Message) -> None:
        if message["type"] not in ("http.response.start", "http.response.body"):
            await send(message)
            return
        held.append(message)
        if message["type"] == "http.response.start" or message.get("more_body"):
            return
        start, *parts = held
        body = b"".join(part.get("body", b"") for part in parts)
        body = body.replace(_HEAD, _HEAD + b"\n" + early, 1)
        length = (b"content-length", b"%d" % len(body))
        others = [each for each in start["headers"] if each[0].lower() != length[0]]
        await send({**start, "headers": [*others, length]})
        await send({"type": "http.response.body", "body": body})

    return rewrite

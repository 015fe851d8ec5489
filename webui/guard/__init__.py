"""The one outermost layer: who may ask, from which page, how much, and for which files.

Plain ASGI, so that everything falls under it: our API, Gradio, whatever extensions add. Each check
is a function from a connection's head to a `Refusal` or None, asked in order; a login will be one
more of them. Knows neither settings nor routes.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.guard.answer import hardened, refuse
from webui.guard.asgi import READS, App, Check, Message, Receive, Refusal, Scope, Send
from webui.guard.body import length, media_type, paths, replayed, whole_body
from webui.guard.head import LOCAL_NAMES, host_check, origin_check, path_check
from webui.guard.strict_json import NotStrictError, parse

__all__ = ["Check", "Guard", "Refusal", "Rules"]

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")
_FILE_ROUTE = "/gradio_api/file"  # =PATH and /PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    host_names: Collection[str] = ()  # besides those of this computer
    uploads: Path  # the only folder that files named in a body may be in, besides
    outputs: Path  # pictures that were saved here
    max_body: int = 2 * 2**20  # bytes, of JSON
    max_upload: int = 64 * 2**20  # bytes
    upload_paths: Sequence[str] = ("/gradio_api/upload",)
    picture_paths: Sequence[str] = ("/api/v1/recipes",)  # take a bare picture besides JSON
    body_seconds: float = 30.0  # a JSON body has to arrive
    checks: Sequence[Check] = ()  # further ones, after host and origin


class Guard:
    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        names = {name.lower() for name in (*LOCAL_NAMES, *rules.host_names)}
        self._checks: tuple[Check, ...] = (
            host_check(names),
            origin_check,
            path_check,
            *rules.checks,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.text})
        elif refusal is not None:
            await refuse(send, refusal)
        elif scope["method"] in READS:
            await self._app(scope, receive, hardened(scope, send))
        elif scope["path"].rstrip("/") in self._rules.upload_paths:
            await self._upload(scope, receive, send)
        elif scope["path"] in self._rules.picture_paths and media_type(scope).startswith("image/"):
            await self._counted(scope, receive, send)
        else:
            await self._write(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        for check in self._checks:
            refusal = check(scope)
            if refusal is not None:
                return refusal
        if scope["path"].startswith(_FILE_ROUTE):
            wanted = scope["path"].removeprefix(_FILE_ROUTE)[1:]
            if not self._may_name(wanted):
                return Refusal(403, "that file is neither an upload nor a saved picture")
        return None

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Anything that writes: its body is JSON or empty, and is read whole and checked first."""
        try:
            body = await asyncio.wait_for(
                whole_body(scope, receive, self._rules.max_body), self._rules.body_seconds
            )
        except TimeoutError:
            await refuse(send, Refusal(408, "the body took too long to arrive"))
            return
        if body is None:
            return  # nobody is there any more
        refusal = body if isinstance(body, Refusal) else self._body_refusal(scope, body)
        if refusal is not None:
            await refuse(send, refusal)
            return
        assert isinstance(body, bytes)
        await self._app(scope, replayed(body, receive), hardened(scope, send))

    def _body_refusal(self, scope: Scope, body: bytes) -> Refusal | None:
        if not body:
            return None
        if media_type(scope) != "application/json":
            return Refusal(415, "the body must be application/json")
        try:
            value = parse(body)
        except NotStrictError as error:
            return Refusal(400, f"the body {error}")
        if not scope["path"].startswith("/api/") and not all(map(self._may_name, paths(value))):
            return Refusal(403, "the body names a file that is neither an upload nor a picture")
        return None

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A form with files."""
        if media_type(scope) != "multipart/form-data":
            await refuse(send, Refusal(415, "the body must be multipart/form-data"))
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that is not read here, counted while it passes."""
        limit = self._rules.max_upload
        refusal = Refusal(413, f"at most {limit} bytes fit in one upload")
        if length(scope) > limit:
            await refuse(send, refusal)
            return
        taken, answered = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > limit else message

        async def passed(message: Message) -> None:
            nonlocal answered
            if taken <= limit or answered:
                answered = True
                await answer(message)

        answer = hardened(scope, send)
        try:
            await self._app(scope, counted, passed)
        except Exception:
            if taken <= limit:
                raise
        if taken > limit and not answered:
            await refuse(send, refusal)

    def _may_name(self, text: str) -> bool:
        """An upload, or a picture in the outputs; links are followed first, nothing is hidden.

        What is there and is no regular file may not: reading a pipe would never end.
        """
        try:
            path = Path(text).resolve()
            if path.exists() and not path.is_file():
                return False
        except (OSError, ValueError, RuntimeError):  # NUL, too long, links in a circle
            return False
        uploads, outputs = self._rules.uploads.resolve(), self._rules.outputs.resolve()
        if path.is_relative_to(uploads) and path != uploads:
            return not any(part.startswith(".") for part in path.relative_to(uploads).parts)
        if not path.is_relative_to(outputs) or path.suffix.lower() not in _PICTURES:
            return False
        return not any(part.startswith(".") for part in path.relative_to(outputs).parts)

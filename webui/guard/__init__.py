"""The one outermost layer: who may ask, from which page, how much, and for which files.

Plain ASGI, so that everything falls under it: our API, Gradio, whatever extensions add. Each check
is a function from a connection's head to a `Refusal` or None, asked in order, the login among them:
after host and origin, before anything is said about addresses or read of a body. Knows neither
settings nor routes.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.guard.answer import hardened, refuse, respond
from webui.guard.asgi import READS, App, Check, Message, Receive, Refusal, Scope, Send
from webui.guard.body import length, media_type, paths, replayed, whole_body
from webui.guard.cors import asks_before, shared
from webui.guard.head import LOCAL_NAMES, host_check, origin_check, path_check
from webui.guard.login import Login
from webui.guard.strict_json import NotStrictError, parse
from webui.guard.upload import Metered, too_large

__all__ = ["MAX_UPLOAD", "Guard", "Login", "Rules"]

MAX_UPLOAD = 64 * 2**20  # bytes, of one request with files

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")
_FILE_ROUTE = "/gradio_api/file"  # =PATH and /PATH
_SOON = ((b"retry-after", b"1"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    host_names: Collection[str] = ()  # besides those of this computer
    own_addresses: bool = False  # also answers to the address that a connection came to
    origins: Collection[str] = ()  # of other sites whose pages may do what ours may
    login: Login | None = None  # None: whoever reaches the server may use it
    uploads: Path  # the only folder that files named in a body may be in, besides
    outputs: Path  # pictures that were saved here
    max_body: int = 2 * 2**20  # bytes, of JSON
    max_upload: int = MAX_UPLOAD
    max_uploads: int = 16  # at the same time
    upload_paths: Sequence[str] = ("/gradio_api/upload",)
    picture_paths: Sequence[str] = (
        "/api/v1/recipes",
        "/api/v1/inputs",
    )  # take a bare picture besides JSON
    # read their JSON themselves: pictures are in it
    own_bodies: tuple[str, ...] = ("/sdapi/v1/", "/mcp")
    upload_rate: float = 64 * 2**10  # bytes a second, at least
    make_room: Callable[[int], None] = lambda _: None  # for so many bytes of uploads; may be slow
    body_seconds: float = 30.0  # a JSON body has to arrive


class Guard:
    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        names = {name.lower() for name in (*LOCAL_NAMES, *rules.host_names)}
        self._outer: tuple[Check, ...] = (
            host_check(names, rules.own_addresses),
            origin_check(rules.origins),
        )
        self._inner: tuple[Check, ...] = (path_check, self._file_check)
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            refusal = _first(self._outer, scope) or await self._refusal(scope)
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.text})
        else:
            send = hardened(scope, send, shared(scope, self._rules.origins))
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _first(self._outer, scope)
        login = self._rules.login
        if refusal is None and asks_before(scope, self._rules.origins):
            await respond(send, 204, ())  # it comes without a name and a password
            return
        if refusal is None and login is not None and login.answers(scope):
            await login.answer(scope, receive, send)
            return
        refusal = refusal or await self._refusal(scope)
        if refusal is not None:
            await refuse(scope, send, refusal)
        elif scope["method"] in READS:
            await self._app(scope, receive, send)
        elif scope["path"].rstrip("/") in self._rules.upload_paths:
            await self._upload(scope, receive, send)
        elif scope["path"] in self._rules.picture_paths and media_type(scope).startswith("image/"):
            await self._counted(scope, receive, send)
        elif scope["path"].startswith(self._rules.own_bodies):
            await self._pass_upload(scope, receive, send)
        else:
            await self._write(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Refusal | None:
        """Of what has passed the outer checks."""
        login = self._rules.login
        return (login and await login.refusal(scope)) or _first(self._inner, scope)

    def _file_check(self, scope: Scope) -> Refusal | None:
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
            await refuse(scope, send, Refusal(408, "the body took too long to arrive"))
            return
        if body is None:
            return  # nobody is there any more
        refusal = body if isinstance(body, Refusal) else self._body_refusal(scope, body)
        if refusal is not None:
            await refuse(scope, send, refusal)
            return
        assert isinstance(body, bytes)
        await self._app(scope, replayed(body, receive), send)

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
            await refuse(scope, send, Refusal(415, "the body must be multipart/form-data"))
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A body that is not read here, counted and timed while it passes."""
        rules = self._rules
        if length(scope) > rules.max_upload:
            await refuse(scope, send, too_large(rules.max_upload))
        elif self._uploads >= rules.max_uploads:
            await refuse(scope, send, Refusal(503, "too many uploads at once", _SOON))
        else:
            self._uploads += 1
            try:
                await asyncio.to_thread(rules.make_room, self._uploads * rules.max_upload)
                await self._pass_upload(scope, receive, send)
            finally:
                self._uploads -= 1

    async def _pass_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        rules, answered = self._rules, False
        body = Metered(receive, rules.max_upload, rules.body_seconds, rules.upload_rate)

        async def passed(message: Message) -> None:
            nonlocal answered
            if body.refusal is None or answered:
                answered = True
                await send(message)

        try:
            await self._app(scope, body, passed)
        except Exception:
            if body.refusal is None:
                raise
        if body.refusal is not None and not answered:
            await refuse(scope, send, body.refusal)

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


def _first(checks: Sequence[Check], scope: Scope) -> Refusal | None:
    return next((refusal for check in checks if (refusal := check(scope))), None)

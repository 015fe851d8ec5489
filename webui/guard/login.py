"""The one login, for the page and for programs.

A person logs in at a page of our own and gets a cookie; a program sends HTTP Basic each time. Every
address asks for one of the two except the login page itself.
"""

import asyncio
import base64
import binascii
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from webui.guard import targets
from webui.guard.answer import refuse, respond
from webui.guard.asgi import Header, Receive, Refusal, Scope, Send, header
from webui.guard.body import media_type, parameters, whole_body
from webui.guard.failures import Failures, address_of
from webui.guard.login_page import headers, page
from webui.guard.sessions import Sessions, cookie, tokens
from webui.passwords import Account, verified

_LOGIN, _LOGOUT = "/login", "/logout"
_API = ("/api/", "/sdapi/", "/internal/", "/mcp")  # what an account of the API may use
_FORM_BYTES = 16 * 1024
_FORM_SECONDS = 10.0
_KNOWN = 256  # headers of programs that need not be checked again
_AT_ONCE = 2  # passwords that are checked: each takes 16 MiB
_WRONG = "That name and password do not belong together."
_WAITING = 64  # for that; more are turned away


class Login:
    """Who may come in: `accounts` everywhere, `api_accounts` to the API alone, by HTTP Basic."""

    def __init__(
        self,
        accounts: Sequence[Account],
        api_accounts: Sequence[Account] = (),
        *,
        icon: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`icon`: address of the mark on the login page, such as a data URI."""
        self._accounts, self._api_accounts, self._icon = tuple(accounts), tuple(api_accounts), icon
        self._sessions, self._failures = Sessions(clock), Failures(clock)
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()  # header -> for the API alone
        self._checking = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def refusal(self, scope: Scope) -> Refusal | None:
        """None for who may have what is asked."""
        if self._sessions.known(tokens(scope)):
            return None
        given = header(scope, b"authorization")
        sent = _name_and_password(given[0]) if len(given) == 1 else None
        if sent is None:
            return _log_in_first(scope)
        digest = blake2b(given[0].encode("latin-1"), key=self._key).digest()
        if digest not in self._known:
            refusal = await self._check(scope, digest, *sent)
            if refusal is not None:
                return refusal
        self._known.move_to_end(digest)
        if self._known[digest] and not scope["path"].startswith(_API):
            return Refusal(403, "this name is good for the API alone (--api-auth)")
        return None

    def answers(self, scope: Scope) -> bool:
        """Whether the address is one of the login's own."""
        return scope["type"] == "http" and scope["path"] in (_LOGIN, _LOGOUT)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == _LOGOUT and scope["method"] == "POST":
            self._sessions.end(tokens(scope))
            await respond(send, 303, [(b"location", b"login"), cookie(scope, "")])
        elif scope["path"] == _LOGIN and scope["method"] == "POST":
            await self._take_form(scope, receive, send)
        elif scope["path"] == _LOGIN and scope["method"] in ("GET", "HEAD"):
            await self._show(scope, send)
        else:
            await refuse(scope, send, Refusal(405, "this address takes no such request"))

    async def _show(self, scope: Scope, send: Send) -> None:
        wanted = parameters(scope.get("query_string", b"")).get("next", "")
        if self._sessions.known(tokens(scope)):
            await respond(send, 303, [(b"location", targets.back(wanted))])
        else:
            await self._page(send, 200, wanted)

    async def _take_form(self, scope: Scope, receive: Receive, send: Send) -> None:
        if media_type(scope) != "application/x-www-form-urlencoded":
            await refuse(scope, send, Refusal(415, "the login takes a form"))
            return
        try:
            taking = whole_body(scope, receive, _FORM_BYTES)
            body = await asyncio.wait_for(taking, _FORM_SECONDS)
        except TimeoutError:
            body = Refusal(408, "the form took too long to arrive")
        if isinstance(body, Refusal):
            await refuse(scope, send, body)
        elif body is not None:
            await self._log_in(scope, send, parameters(body))

    async def _log_in(self, scope: Scope, send: Send, form: dict[str, str]) -> None:
        wanted = form.get("next", "")
        name, password = form.get("name", "").strip(), form.get("password", "")
        who = await self._verified(scope, name, password, [self._accounts])
        if isinstance(who, Refusal):
            await self._page(send, who.status, wanted, who.text, name, who.headers)
        elif who is None:
            await self._page(send, 401, wanted, _WRONG, name)
        else:
            self._sessions.end(tokens(scope))
            new = cookie(scope, self._sessions.start())
            await respond(send, 303, [(b"location", targets.back(wanted)), new])

    async def _page(
        self,
        send: Send,
        status: int,
        wanted: str,
        text: str = "",
        name: str = "",
        more: Sequence[Header] = (),
    ) -> None:
        body = page(wanted, text, name, icon=self._icon, open_to_people=bool(self._accounts))
        await respond(send, status, [*headers(), *more], body)

    async def _check(self, scope: Scope, digest: bytes, name: str, password: str) -> Refusal | None:
        """Checks what a program sent, and remembers it if it is right."""
        lists = [self._accounts, self._api_accounts]
        who = await self._verified(scope, name, password, lists)
        if isinstance(who, Refusal):
            return who
        if who is None:
            return Refusal(401, _WRONG, _challenge(scope))
        self._known[digest] = lists[who] is self._api_accounts
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return None

    async def _verified(
        self, scope: Scope, name: str, password: str, lists: Sequence[Sequence[Account]]
    ) -> int | Refusal | None:
        """The first of the lists in which they stand; all are looked at."""
        address = address_of(scope)
        wait = self._failures.begin(address)
        if wait or self._waiting >= _WAITING:
            seconds = int(wait) + 1
            text = f"Too many failed logins from your address. Try again in {seconds} seconds."
            return Refusal(429, text, ((b"retry-after", str(seconds).encode()),))
        self._waiting += 1
        try:
            async with self._checking:
                right = await asyncio.to_thread(
                    lambda: [verified(each, name, password) for each in lists]
                )
        finally:
            self._waiting -= 1
        if True not in right:
            return None
        self._failures.succeeded(address)
        return right.index(True)


def _log_in_first(scope: Scope) -> Refusal:
    """A person who opens a page is led to the login, and from there to what was wanted."""
    wants_page = any("text/html" in each for each in header(scope, b"accept"))
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and wants_page:
        return Refusal(303, "log in first", ((b"location", targets.login(scope)),))
    text = "log in at /login, or send a name and password by HTTP Basic"
    return Refusal(401, text, _challenge(scope))


def _challenge(scope: Scope) -> tuple[Header, ...]:
    """For programs; a browser would open a dialog of its own for it, also while a page polls."""
    agents = header(scope, b"user-agent")
    if header(scope, b"sec-fetch-mode") or any(each.startswith("Mozilla/") for each in agents):
        return ()
    return ((b"www-authenticate", b'Basic realm="Darkroom", charset="UTF-8"'),)


def _name_and_password(given: str) -> tuple[str, str] | None:
    """Of an Authorization header; None if it is not well-formed Basic."""
    scheme, _, coded = given.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        data = base64.b64decode(coded.strip().encode("latin-1"), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:  # some programs still send it the old way
        text = data.decode("latin-1")
    name, colon, password = text.partition(":")
    return (name, password) if colon else None

"""Who has logged in with a browser: random tokens, in memory alone."""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable

from webui.guard.asgi import Scope, header

SECONDS = 30 * 24 * 3600  # from the login on
_MOST = 1000  # the oldest is logged out for another
_TOKEN = 43  # characters of 256 random bits


class Sessions:
    """Keeps digests only: what is in memory is of no use to whoever reads it."""

    def __init__(self, clock: Callable[[], float], most: int = _MOST) -> None:
        self._clock, self._most = clock, most
        self._ends: OrderedDict[bytes, float] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._ends)

    def start(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(32)
        self._ends[_digest(token)] = self._clock() + SECONDS
        while len(self._ends) > self._most:
            self._ends.popitem(last=False)
        return token

    def known(self, tokens: Iterable[str]) -> bool:
        now = self._clock()
        return any(self._ends.get(_digest(token), now) > now for token in tokens)

    def end(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._ends.pop(_digest(token), None)


def cookie_name(scope: Scope) -> str:
    """With the port: browsers send the cookies of one port to all the others of that host."""
    port = header(scope, b"host")[0].rpartition(":")[2]
    plain = "darkroom" + (f"-{port}" if port.isascii() and port.isdigit() else "")
    return f"__Host-{plain}" if _secure(scope) else plain


def tokens(scope: Scope) -> list[str]:
    """What the request has under the cookie's name, once or more often."""
    name, found = cookie_name(scope), []
    for line in header(scope, b"cookie"):
        for pair in line.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name and len(value) == _TOKEN:
                found.append(value)
    return found[:8]


def cookie(scope: Scope, token: str) -> tuple[bytes, bytes]:
    """The header that sets it; with "" it goes away.

    Lax, so that a link from elsewhere leads to the page and not to the login. Such a link is a GET,
    which changes nothing; what writes is asked for its origin besides.
    """
    age = SECONDS if token else 0
    text = f"{cookie_name(scope)}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax"
    return b"set-cookie", (text + ("; Secure" if _secure(scope) else "")).encode()


def _secure(scope: Scope) -> bool:
    return scope.get("scheme") in ("https", "wss")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()

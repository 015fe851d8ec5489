"""Pages of other origins that were let in by name (A1111's `--cors-allow-origins`).

They may do what our own page may, once they have logged in as it has.
"""

from collections.abc import Collection

from webui.guard.asgi import Header, Scope, header


def friend(scope: Scope, origins: Collection[str]) -> str | None:
    """The origin that the request comes from, if it is one of these."""
    given = header(scope, b"origin")
    return given[0] if len(given) == 1 and given[0].lower() in origins else None


def asks_before(scope: Scope, origins: Collection[str]) -> bool:
    """Whether it is such a page's browser that asks before it sends the request (a preflight)."""
    asked = header(scope, b"access-control-request-method")
    return scope["method"] == "OPTIONS" and bool(asked) and friend(scope, origins) is not None


def shared(scope: Scope, origins: Collection[str]) -> list[Header]:
    """The headers with which a browser lets that page read the answer; with cookies, as A1111's."""
    if not origins:
        return []
    origin = friend(scope, origins)
    varying = (b"vary", b"Origin")
    if origin is None:
        return [varying]
    headers = [
        varying,
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
    ]
    if asks_before(scope, origins):
        wanted = ", ".join(header(scope, b"access-control-request-headers"))
        headers += [
            (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            (b"access-control-allow-headers", wanted.encode("latin-1")),
            (b"access-control-max-age", b"600"),
        ]
    return headers

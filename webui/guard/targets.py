"""Addresses to be led to: relative ones alone, so that they stay on this site, below any path."""

from urllib.parse import quote

from webui.guard.asgi import Scope

_LONGEST = 2048  # characters
_SAFE = "/?&=%:@!$'()*+,;~-._[]"  # stay as they are in an address


def login(scope: Scope) -> bytes:
    """Where the login is as seen from the address asked for, which it will lead back to."""
    path, query = scope["path"], scope.get("query_string", b"").decode("latin-1")
    wanted = quote(path.removeprefix("/"), safe="/=") + (f"?{query}" if query else "")
    up = "../" * (path.count("/") - 1)
    following = f"?next={quote(wanted, safe='')}" if wanted and len(wanted) <= _LONGEST else ""
    return f"{up}login{following}".encode()


def back(wanted: str) -> bytes:
    """Where the login leads, as seen from it: what was wanted, if that is a path of this site."""
    odd = not wanted.isprintable() or "\\" in wanted or len(wanted) > _LONGEST
    segments = wanted.partition("?")[0].split("/")
    if odd or ":" in segments[0] or wanted.startswith("/") or ".." in segments:
        wanted = ""
    # "./" in front: never a scheme or a host, whatever follows
    return f"./{quote(wanted, safe=_SAFE)}".encode()

"""Checks of a connection's head: by what name it comes, from which page, and for what."""

import ipaddress
import unicodedata
from collections.abc import Collection
from urllib.parse import urlsplit

from webui.guard.asgi import READS, Check, Refusal, Scope, header
from webui.guard.cors import friend

_MAX_PATH = 2048  # bytes; with a folder before it, still a name that a disk can look up
_MAX_NAME = 255  # bytes, of what stands between two slashes: no file has a longer name
_CLOSED = (  # Gradio's doors that no page of ours uses
    "/gradio_api/custom_component",
    "/gradio_api/proxy=",
    "/gradio_api/call/v2",
    "/gradio_api/dev/",
    "/gradio_api/vibe-",
    "/gradio_api/undo-vibe-",
    "/gradio_api/deep_link",  # a GET that writes a file
    "/gradio_api/process_recording",
    "/gradio_api/run-history",
    "/gradio_api/runs",
    "/monitoring",
    "/login",  # the guard's own, where there is one
    "/logout",
)
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


def host_check(names: Collection[str], own_addresses: bool = False) -> Check:
    def check(scope: Scope) -> Refusal | None:
        """Against DNS rebinding: a foreign name that resolves to us is still a foreign name.

        The address that the connection came to is no name, so it cannot be made to mean another.
        """
        given = header(scope, b"host")
        if len(given) != 1 or not given[0]:
            return Refusal(400, "the request must name one host")
        name, _ = _split(given[0])
        if name in names or (own_addresses and _came_to(scope, _address(name))):
            return None
        return Refusal(421, f"this server does not answer to the name {given[0][:80]!r}")

    return check


def origin_check(friends: Collection[str] = ()) -> Check:
    def check(scope: Scope) -> Refusal | None:
        """Against pages of other sites; programs that send neither header pass."""
        if scope["type"] == "http" and scope["method"] in READS:
            return None
        if friend(scope, friends):
            return None
        sites, origins = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if any(site not in ("same-origin", "none") for site in sites):
            return Refusal(403, "another site may not do that")
        if not origins:
            return None
        secure = scope.get("scheme") in ("https", "wss")
        host, port = _split(header(scope, b"host")[0])
        own = ("https" if secure else "http", host, port or ("443" if secure else "80"))
        if len(origins) > 1 or _origin(origins[0]) != own:
            return Refusal(403, "another site may not do that")
        return None

    return check


def path_check(scope: Scope) -> Refusal | None:
    path = scope["path"]
    name_lengths = [len(name.encode(errors="replace")) for name in path.split("/")]
    if sum(name_lengths) > _MAX_PATH or max(name_lengths) > _MAX_NAME:
        return Refusal(414, "that address is too long")
    if any(unicodedata.category(character) == "Cc" for character in path):
        return Refusal(400, "an address cannot hold control characters")
    if path.startswith(_CLOSED):
        return Refusal(404, "there is nothing at this address")
    return None


def _origin(text: str) -> tuple[str, str, str] | None:
    """(scheme, host, port); None for "null" and whatever is no origin."""
    try:
        parts = urlsplit(text.lower())
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or text.lower() != f"{parts.scheme}://{parts.netloc}":
        return None
    host, port = _split(parts.netloc)
    return parts.scheme, host, port or ("443" if parts.scheme == "https" else "80")


def _split(netloc: str) -> tuple[str, str]:
    """("[::1]", "7860") of "[::1]:7860"; the name is in small letters, the port may be empty."""
    name, colon, port = netloc.lower().rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return name, port
    return netloc.lower(), ""


def _came_to(scope: Scope, address: str) -> bool:
    """Whether the connection came to this address of ours; on a Unix socket there is none."""
    server = scope.get("server")
    host = str(server[0]) if server else ""
    return address != "" and address == _address(f"[{host}]" if ":" in host else host)


def _address(name: str) -> str:
    """An IP address as a Host header has it, in one spelling; "" for a name."""
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and bare == name:
        return ""  # without its brackets
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)

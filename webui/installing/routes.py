"""How git gets to another computer: straight to the addresses that were checked, or by a proxy.

Which of the two is decided here, and git is told one of them alone: what it would make of NO_PROXY
does not count.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from webui.downloads.sockets import WebError, check_public, resolved
from webui.installing.errors import InstallError

_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Route:
    options: tuple[str, ...] = ()  # git's
    environ: dict[str, str] = field(default_factory=dict)


def route(host: tuple[str, int] | None, environ: Mapping[str, str], *, private: bool) -> Route:
    """To a name and port; None is one that only ssh knows, or this computer's disk. `private`: its
    network may be fetched from. Raises InstallError."""
    if host is None:
        return Route()
    name, port = host
    proxy = _first(environ, _PROXIES)
    if proxy and not _is_excepted(name, port, _first(environ, _EXCEPTIONS)):
        if not private:
            _check_named(name, port)
        return Route(environ={"https_proxy": proxy, "no_proxy": ""})
    try:
        addresses = resolved(name, port)
    except OSError:
        raise InstallError(f"there is no computer called {name} to be found") from None
    if private or not addresses:
        return Route()
    _check(name, addresses)
    return Route(("-c", f"http.curloptResolve={name}:{port}:{','.join(addresses)}"))


def _check_named(name: str, port: int) -> None:
    """What a proxy makes of a name is its own, but not what says itself where it leads."""
    if name.split(".")[-1] == "localhost":
        _check(name, ["127.0.0.1"])
    try:
        found = socket.getaddrinfo(name, port, flags=socket.AI_NUMERICHOST)
    except OSError:
        return  # it is a name
    _check(name, [str(each[4][0]) for each in found])


def _is_excepted(name: str, port: int, exceptions: str) -> bool:
    for each in exceptions.casefold().split(","):
        ending = each.strip().removeprefix("*").lstrip(".")
        if each.strip() == "*" or ending in (name, f"{name}:{port}"):
            return True
        if ending and name.endswith(f".{ending}"):
            return True
    return False


def _check(name: str, addresses: list[str]) -> None:
    try:
        check_public(name, addresses)
    except WebError as error:
        raise InstallError(str(error)) from None


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[each] for each in names if environ.get(each)), "")

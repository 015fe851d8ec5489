"""The words of ASGI, and what a check says of a connection."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

READS = ("GET", "HEAD", "OPTIONS")  # everything else writes


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    text: str
    headers: tuple[Header, ...] = ()


Check = Callable[[Scope], Refusal | None]


def header(scope: Scope, name: bytes) -> list[str]:
    """All values of a header; its name in small letters."""
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]

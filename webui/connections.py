"""Connections: so many, and none that takes its time to say what it wants.

uvicorn waits without end for the first line of a request, and each that it waits for is an open
file. Whoever can reach the port, with or without a login, could take them all: then nobody is let
in, and no picture can be saved.
"""

import asyncio
import sys

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0  # for all lines of a request before its body
_MOST = 1000
_FILES = 4096  # that the process may open, where the system lets it


class _Connection(H11Protocol):
    most = _MOST
    _timer: asyncio.TimerHandle | None = None
    _since = 0.0  # when it last began to wait

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._busy():
            self._stop_waiting()
        elif self._timer is None:  # the beginning of another request: its end has to come in time
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        self._since = self.loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._busy():
            self.transport.abort()

    def _make_room(self) -> None:
        """The one that has had nothing to answer for the longest goes; if all have, this one."""
        idle = [
            each
            for each in self.connections
            if isinstance(each, _Connection)
            and not each._busy()
            and not each.transport.is_closing()
        ]
        min(idle, key=lambda each: each._since, default=self).transport.abort()


def protocol(most: int) -> type[H11Protocol]:
    """What uvicorn makes one of for each connection."""

    class Connection(_Connection):
        pass

    Connection.most = most
    return Connection


def affordable() -> int:
    """How many connections there may be: half of the files that may be open are for the rest."""
    if sys.platform == "win32":
        return _MOST
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):  # then it stays as it is
            pass
    return max(16, min(_MOST, soft // 2))

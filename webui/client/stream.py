"""A job's events as they come, over broken connections and restarts of the server.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html, of which the
server uses id, event, data and retry.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from webui.client.connection import Connection
from webui.client.errors import Refused, ServerUnreachable

_RETRY = 2.0  # seconds before asking again, until the server says otherwise
_LATER = (502, 503, 504)  # what a server answers that will be there


@dataclass(frozen=True, slots=True)
class Event:
    """What happened; `webui/events.py` has the kinds and what each says."""

    kind: str  # "Step", "Preview", "Saved", "Finished", ...
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    id: str = ""  # to go on from: `Client.events(after=...)`

    def __getitem__(self, name: str) -> Any:
        """event["step"]: one of its values. Raises KeyError."""
        return self.values[name]

    @property
    def job(self) -> str:
        """The id of the job it is of."""
        return str(self.values.get("job", ""))


class Stream:
    """Iterates over events; `last_id` is where it stands."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        patience: float,
        after: str = "",
        end: float | None = None,
    ) -> None:
        """`patience`: seconds for which a server that is away is waited for; `end`: the moment, of
        the monotonic clock, at which nothing is waited for any more."""
        self._connection = connection
        self._path = path
        self._patience = patience
        self._end = end
        self._retry = _RETRY
        self.last_id = after
        self.over = False  # the server says that nothing will follow

    def __iter__(self) -> Iterator[Event]:
        """Ends when the server has no more to say. Raises ServerUnreachable when it stays away,
        TimeoutError at the end of the time."""
        seen = time.monotonic()
        while not self.over:
            try:
                for event in self._once():
                    seen = time.monotonic()
                    yield event
            except (ServerUnreachable, Refused) as error:
                self._check_time()
                lasting = isinstance(error, Refused) and error.status not in _LATER
                if lasting or time.monotonic() - seen > self._patience:
                    raise
            if not self.over:
                if time.monotonic() - seen > self._patience:
                    raise ServerUnreachable(f"{self._connection.address} ends each answer at once")
                time.sleep(self._retry)

    def _once(self) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        silence = None if self._end is None else max(0.05, self._end - time.monotonic())
        with self._connection.stream(self._path, headers, silence) as answer:
            if answer.status_code == 204:
                self.over = True
                return
            for event in self._read(answer.iter_lines()):
                self.over = self.over or (event.kind == "Finished" and "jobs/" in self._path)
                yield event

    def _read(self, lines: Iterable[str]) -> Iterator[Event]:
        """An event that is cut off by the end is left out, as the standard has it."""
        name, id, data = "message", None, list[str]()
        for line in lines:
            self._check_time()
            if not line:
                if data:
                    self.last_id = id or self.last_id
                    yield Event(name, MappingProxyType(json.loads("\n".join(data))), self.last_id)
                name, id, data = "message", None, []
                continue
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "id":
                id = value
            elif key == "data":
                data.append(value)
            elif key == "retry" and value.isdecimal():
                self._retry = int(value) / 1000

    def _check_time(self) -> None:
        if self._end is not None and time.monotonic() >= self._end:
            raise TimeoutError("nothing has come of it in time")

"""Server-sent events: readers of the event log that are told when there is more.

    id: SERVER.NUMBER       the job's number, or the stream's over all jobs; of one server start
    event: Step             the type, as in `webui.events`
    data: {"seq": 4, ...}   as in the answers of /api/v1/live

A reader has no queue: it remembers a number and reads on from there when it can. So who is slow
costs nobody anything, and loses previews that newer ones have overtaken, and nothing else. All
streams live on one event loop, and are woken together, at most so many times a second.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from webui.api import schema
from webui.errors import InvalidRequest
from webui.events import Event, Finished, Preview
from webui.fields import shown
from webui.services import Services

MOST = 256  # streams at once; nobody has more of them than are still free
_BEAT = 15.0  # seconds of silence before a sign of life
_PAUSE = 0.05  # seconds between two looks of a stream
_BEHIND = 64  # events; who has so many to read is slow
_PIECE = 512  # events read at once, so that who comes late costs nobody time or memory
_REMEMBERED = 4096  # events as text
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Numbered = Sequence[tuple[int, str, int, Event]]  # number, job, number in the job, event
Read = Callable[[int], tuple[Numbered, int, bool]]  # also the last number, and whether it is over


class Streams:
    """Of one application; its routes are called on one event loop."""

    def __init__(self, services: Services, *, beat: float = _BEAT, most: int = MOST) -> None:
        self._line = services.line
        self._server = services.server_id
        self._beat = beat
        self._most = most
        self.open = 0
        self._held: Counter[str] = Counter()  # of them, by who reads
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling = False
        self._unwatch: Callable[[], None] | None = None
        self._texts: dict[tuple[str, int, int], bytes] = {}

    def number(self, given: str | None, after: int | None) -> int | None:
        """What a reader has, by its Last-Event-ID or else by `after`; None if it says neither.

        Numbers of another start of the server count for nothing. Raises InvalidRequest.
        """
        if not given:
            return after
        server, _, number = given.rpartition(".")
        if not (number.isascii() and number.isdigit() and len(number) <= 15):
            raise InvalidRequest("Last-Event-ID", f"must be an id of ours, got {shown(given)}")
        return int(number) if server in ("", self._server) else 0

    async def job(self, id: str, after: int, reader: str) -> Response:
        """Raises JobNotFound, HTTPException while too many others read."""
        if self._line.read_logged(id, 0, 1) is None:  # ended long ago: from the disk, in one go
            return await self._outlines(id, after)

        def read(after: int) -> tuple[Numbered, int, bool]:
            logged = self._line.read_logged(id, after, _PIECE)
            if logged is None:  # forgotten while this reader was slow
                return [], after, True
            events, last = logged
            newest, _ = self._line.read_logged(id, last - 1, 1) or ([], 0)
            over = bool(newest) and isinstance(newest[-1][1], Finished)
            return [(number, id, number, event) for number, event in events], last, over

        numbered, _, over = read(after)
        return self._whole(b"") if over and not numbered else self._stream(read, after, reader)

    def all(self, after: int | None, reader: str) -> Response:
        """Of all jobs, from now on unless `after` says otherwise. Raises HTTPException."""

        def read(after: int) -> tuple[Numbered, int, bool]:
            entries, last = self._line.read_all(after, _PIECE)
            return [(e.number, e.job_id, e.seq, e.event) for e in entries], last, False

        begin = self._line.read_all(2**62, 0)[1] if after is None else after
        return self._stream(read, begin, reader)

    async def _outlines(self, id: str, after: int) -> Response:
        """Raises JobNotFound."""
        outline, last = await asyncio.to_thread(self._line.read, id, 0)
        # a number beyond them is one of the events that are forgotten: their end may be news
        seen = after if after <= last else 0
        texts = [_written(self._server, n, id, n, event) for n, event in outline if n > seen]
        return self._whole(b"".join(texts))

    def _whole(self, text: bytes) -> Response:
        """204 ends a browser's EventSource, which would ask again and again."""
        if not text:
            return Response(status_code=204)
        return Response(text, media_type="text/event-stream", headers=_HEADERS)

    def _stream(self, read: Read, after: int, reader: str) -> Response:
        free = self._most - self.open
        if free <= 0 or self._held[reader] >= free:
            text = f"{self.open} event streams are open already; close some, or ask again later"
            raise HTTPException(503, text, {"Retry-After": "5"})
        seat = _Seat(partial(self._closed, reader))
        self._opened(reader)  # here: of many that ask at once none has begun to follow
        return _Seated(seat, self._follow(read, after, seat))

    async def _follow(self, read: Read, after: int, seat: "_Seat") -> AsyncIterator[bytes]:
        try:
            yield b"retry: 2000\n\n"
            late = True  # until it has all that there was when it came
            while True:
                woken = self._woken  # before reading, or what comes in between would be missed
                numbered, last, over = read(after)
                if text := b"".join(self._texts_of(numbered, after, late)):
                    yield text
                after = numbered[-1][0] if numbered else last
                if after < last:
                    await asyncio.sleep(0)
                    continue
                late = False
                if numbered:
                    await asyncio.sleep(_PAUSE)
                if over or self._line.hung_up:
                    return
                try:
                    await asyncio.wait_for(woken.wait(), self._beat)
                except TimeoutError:
                    yield b": beat\n\n"
        finally:
            seat.leave()

    def _texts_of(self, numbered: Numbered, after: int, late: bool) -> list[bytes]:
        texts = []
        if numbered and numbered[0][0] > after + 1:
            gap = {"from": after + 1, "to": numbered[0][0] - 1}
            texts.append(_message(None, "Gap", gap))
        slow = not late and len(numbered) > _BEHIND
        kept = _without_overtaken(numbered) if slow else numbered
        return texts + [self._text(*each) for each in kept]

    def _text(self, number: int, job: str, seq: int, event: Event) -> bytes:
        """Made once for all readers."""
        key = (job, number, seq)
        if key not in self._texts:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            self._texts[key] = _written(self._server, number, job, seq, event)
        return self._texts[key]

    # --- being told -------------------------------------------------------------------------------

    def _opened(self, reader: str) -> None:
        self.open += 1
        self._held[reader] += 1
        if self._unwatch is None:
            self._loop = asyncio.get_running_loop()
            self._woken = asyncio.Event()
            self._telling = False
            self._unwatch = self._line.watch(self._tell)

    def _closed(self, reader: str) -> None:
        self.open -= 1
        self._held[reader] -= 1
        self._held += Counter()  # drops those who hold none
        if self.open == 0 and self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def _tell(self) -> None:
        """From any thread, at next to no cost: many events may be told as one."""
        if not self._telling and self._loop is not None:
            self._telling = True
            with suppress(RuntimeError):  # the loop has ended, and its streams with it
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._telling = False
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()


class _Seat:
    """A reader's place among the streams, given up once."""

    def __init__(self, given_up: Callable[[], None]) -> None:
        self._given_up = given_up
        self._taken = True

    def leave(self) -> None:
        if self._taken:
            self._taken = False
            self._given_up()


class _Seated(StreamingResponse):
    """Gives its seat up also if its reader went away before the first byte."""

    def __init__(self, seat: _Seat, text: AsyncIterator[bytes]) -> None:
        super().__init__(text, media_type="text/event-stream", headers=_HEADERS)
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seat.leave()


def _without_overtaken(numbered: Numbered) -> Numbered:
    """Of the previews only the newest of each job and kind."""
    newest = {(e.kind, job): number for number, job, _, e in numbered if isinstance(e, Preview)}
    return [
        each
        for each in numbered
        if not isinstance(each[3], Preview) or newest[each[3].kind, each[1]] == each[0]
    ]


def _written(server: str, number: int, job: str, seq: int, event: Event) -> bytes:
    [values] = schema.events([(seq, event)])
    del values["type"]
    if isinstance(event, Preview):
        values["url"] = schema.frame_url(job, event)
    return _message(f"{server}.{number}", type(event).__name__, {**values, "job": job})


def _message(id: str | None, name: str, values: Mapping[str, Any]) -> bytes:
    head = "" if id is None else f"id: {id}\n"
    return f"{head}event: {name}\ndata: {json.dumps(values)}\n\n".encode()

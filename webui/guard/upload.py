"""Uploads: counted and timed while they pass."""

import asyncio
import time
from collections.abc import Callable

from webui.guard.asgi import Message, Receive, Refusal


class Metered:
    """A `receive` that ends the client's message when it is too much, or comes too slowly."""

    def __init__(
        self,
        receive: Receive,
        limit: int,
        seconds: float,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` in bytes; `seconds` at the start, and one more for every `rate` bytes."""
        self._receive, self._limit, self._rate, self._clock = receive, limit, rate, clock
        self._end = clock() + seconds
        self._taken = 0
        self._whole = False
        self.refusal: Refusal | None = None  # why it was ended

    async def __call__(self) -> Message:
        if self._whole:  # what still comes says that the client has gone
            return await self._receive()
        if self.refusal is None:
            left = self._end + self._taken / self._rate - self._clock()
            try:
                message = await asyncio.wait_for(self._receive(), max(0.0, left))
            except TimeoutError:
                self.refusal = Refusal(408, "the upload took too long to arrive")
            else:
                self._taken += len(message.get("body", b""))
                self._whole = not message.get("more_body", False)
                if self._taken <= self._limit:
                    return message
                self.refusal = too_large(self._limit)
        return {"type": "http.disconnect"}


def too_large(limit: int) -> Refusal:
    return Refusal(413, f"at most {limit} bytes fit in one upload")

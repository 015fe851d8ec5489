"""A call that somebody waits for, in a thread of its own, and the clock that it runs against.

A thread cannot be ended: one that hangs is left to itself, and what it gives later is nobody's.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK = 0.02  # seconds; the least that is waited before the clock is looked at again


class Clock:
    """The time that one call has. Any thread may look."""

    def __init__(self, limit: float) -> None:
        """`limit`: seconds."""
        self._lock = threading.Lock()
        self._ends = time.monotonic() + limit
        self._since: float | None = None  # when it was stopped
        self.aside = 0.0  # seconds that did not count

    def left(self) -> float:
        with self._lock:
            return self._ends - (time.monotonic() if self._since is None else self._since)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While the call, in its own thread, waits for what is not its own."""
        since = time.monotonic()
        with self._lock:
            self._since = since
        try:
            yield
        finally:
            with self._lock:
                away = time.monotonic() - since
                self._ends, self.aside, self._since = self._ends + away, self.aside + away, None


class Errand(Generic[T]):
    """One call in its thread."""

    def __init__(self, name: str, call: Callable[[], T]) -> None:
        """`name` of the thread, for who looks where it hangs."""
        self._call = call
        self._values: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ends_within(self, clock: Clock) -> bool:
        """Waits; whether it ended before the clock ran out."""
        while (left := clock.left()) > 0:
            self._thread.join(max(left, _LOOK))
            if not self._thread.is_alive():
                return True
        return not self._thread.is_alive()

    def result(self) -> T:
        """Of one that has ended: what it gave, or raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._values[0]

    def where(self) -> str:
        """What it is doing, as in a traceback."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else ""

    def _run(self) -> None:
        try:
            self._values.append(self._call())
        except BaseException as error:
            self._error = error

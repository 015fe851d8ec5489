"""Pictures of kept steps that were drawn again, in memory, bounded: the newest are remembered."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from webui.events import Picture


class Redrawn:
    """Any thread may call. What is kept of a step never changes, so its picture does not either."""

    def __init__(self, most: int = 128 * 2**20) -> None:
        """`most` bytes of pixels."""
        self._most = most
        self._lock = threading.Lock()
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()
        self._used = 0

    def get(self, key: Hashable, draw: Callable[[], Picture | None]) -> Picture | None:
        """The picture of that key, drawn if need be; None is not remembered."""
        with self._lock:
            if found := self._pictures.get(key):
                self._pictures.move_to_end(key)
                return found
        made = draw()
        if made is not None:
            self._keep(key, made)
        return made

    def _keep(self, key: Hashable, made: Picture) -> None:
        with self._lock:
            old = self._pictures.pop(key, None)
            self._used += len(made.rgb) - (len(old.rgb) if old else 0)
            self._pictures[key] = made
            while self._used > self._most:
                self._used -= len(self._pictures.popitem(last=False)[1].rgb)

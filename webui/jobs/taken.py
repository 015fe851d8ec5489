"""Jobs whose pictures a program takes: their files go when it has them.

Known for as long as the server runs: after a restart nobody waits for them, and they stay.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable

_MOST = 1000  # ids


class Taken:
    """Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, ids: Iterable[str]) -> None:
        with self._lock:
            self._ids |= dict.fromkeys(ids)
            while len(self._ids) > _MOST:
                self._ids.popitem(last=False)

    def discard(self, ids: Iterable[str]) -> None:
        """They stay after all."""
        with self._lock:
            for id in ids:
                self._ids.pop(id, None)

    def __contains__(self, id: object) -> bool:
        with self._lock:
            return id in self._ids

"""How often an address has tried in vain to log in."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable

from webui.guard.asgi import Scope


class Failures:
    """At most `most` failed logins in `seconds` for one address; `addresses` are remembered."""

    def __init__(
        self,
        clock: Callable[[], float],
        most: int = 10,
        seconds: float = 60.0,
        addresses: int = 4096,
    ) -> None:
        self._clock, self._most, self._seconds, self._addresses = clock, most, seconds, addresses
        self._tried: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tried)

    def begin(self, address: str) -> float:
        """0.0: go on; else the seconds until another try is open.

        A try counts as failed from here on until `succeeded`: many at once are no way around.
        """
        now = self._clock()
        tried = self._tried.setdefault(address, deque(maxlen=self._most))
        self._tried.move_to_end(address)
        while len(self._tried) > self._addresses:
            self._tried.popitem(last=False)
        while tried and tried[0] <= now - self._seconds:
            tried.popleft()
        if len(tried) == self._most:
            return tried[0] + self._seconds - now
        tried.append(now)
        return 0.0

    def succeeded(self, address: str) -> None:
        """Takes back the newest try."""
        tried = self._tried.get(address)
        if tried:
            tried.pop()
        if tried is not None and not tried:
            del self._tried[address]


def address_of(scope: Scope) -> str:
    """Of the other end; an IPv6 network of one customer (/64) is one address."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0]) if client else None
    except ValueError:
        return str(client[0])[:64] if client else ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address or "")

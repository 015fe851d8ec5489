"""Sockets to public addresses alone, which can be told to end while nothing comes.

The address that was checked is the one that is connected to: a name server that answers something
else the second time is not asked a second time.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

SILENCE = 30.0  # seconds without a byte, after which nobody waits any more
_SLICE = 0.25  # seconds after which somebody who waits for a byte looks whether to go on
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 behind NAT64; the last 32 bits

Resolve = Callable[[str, int], Iterable[str]]
Check = Callable[[], None]  # raises to end what is under way


class WebError(Exception):
    """Why nothing came, for people."""

    def __init__(self, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.again = again  # the same may work later


def resolved(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise httpcore.ConnectError("no name of a computer") from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Sockets(httpcore.NetworkBackend):
    """Connects to checked addresses alone."""

    def __init__(
        self, inner: httpcore.NetworkBackend, resolve: Resolve, private: bool, check: Check
    ) -> None:
        self._inner = inner
        self._resolve = resolve
        self._private = private
        self._check = check

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self._check()
        try:
            addresses = list(self._resolve(host, port))
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        if not self._private:
            check_public(host, addresses)
        failed: Exception = httpcore.ConnectError("there is no address")
        for address in addresses:
            self._check()
            try:
                stream = self._inner.connect_tcp(address, port, timeout, local_address)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self._check)
        raise failed


class _Stream(httpcore.NetworkStream):
    """Waits in slices, so that a stop is obeyed while nothing comes."""

    def __init__(self, inner: httpcore.NetworkStream, check: Check) -> None:
        self._inner = inner
        self._check = check

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        until = time.monotonic() + (timeout or SILENCE)
        while True:
            self._check()
            try:
                return self._inner.read(max_bytes, _SLICE)
            except httpcore.ReadTimeout:
                if time.monotonic() >= until:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._check)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def check_public(host: str, addresses: Iterable[str]) -> None:
    """Raises WebError if one of them is not: a name with two answers is not to be trusted."""
    for each in addresses:
        if not _is_public(each):
            raise WebError(
                f"{host} is an address of this computer or its network, from which nothing is "
                "fetched unless the server is started with --private-downloads"
            )


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    inner: ipaddress.IPv4Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = address.ipv4_mapped or address.sixtofour or (teredo and teredo[1])
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found = inner or address
    return found.is_global and not found.is_multicast

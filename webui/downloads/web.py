"""The one way to other computers: https, to public addresses, in pieces, with an end.

Built on httpcore, which neither follows redirects nor reads the environment nor writes addresses
to a log, and lets us open the sockets: so the address that was checked is the one that is
connected to, whatever a name server answers the second time.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpcore

import webui
from webui.downloads.sockets import SILENCE, Check, Resolve, Sockets, WebError, resolved

_MOST_HOPS = 8
_LONGEST = 8192  # characters of an address
_CONNECT = 15.0  # seconds
_AGENT = f"Darkroom/{webui.__version__}"
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where to, and as whom."""

    hub: str = "https://huggingface.co"
    token: str = field(default="", repr=False)  # for the hub alone
    private: bool = False  # also by http, and to this computer and its network


@dataclass(frozen=True, slots=True)
class Answer:
    address: str  # that answered in the end
    status: int
    headers: Mapping[str, str]  # in small letters
    first: Mapping[str, str]  # those of the first answer, before any redirect
    chunks: Iterator[bytes]

    def whole(self, most: int) -> bytes:
        """Raises WebError for a body of more bytes."""
        parts, taken = [], 0
        for chunk in self.chunks:
            taken += len(chunk)
            if taken > most:
                raise WebError(f"{urlsplit(self.address).hostname} sent more than it should")
            parts.append(chunk)
        return b"".join(parts)


def origin(address: str) -> str:
    """Scheme, host and port, as one text."""
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def check_address(address: str, access: Access) -> None:
    """Raises ValueError, saying what would do."""
    if len(address) > _LONGEST or not address.isascii() or not address.isprintable():
        raise ValueError("is no address: blanks and letters beyond ASCII are written as %20")
    if " " in address or "\\" in address:
        raise ValueError("is no address: there are blanks or backslashes in it")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no address like https://example.org/a.safetensors") from None
    if parts.scheme != "https" and not (access.private and parts.scheme == "http"):
        raise ValueError(
            "must begin with https://, because what comes another way can be changed on its way"
        )
    if not host:
        raise ValueError("is no address like https://example.org/a.safetensors")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not have a name and a password in it")


def next_hop(address: str, location: str, access: Access) -> str:
    """Where a redirect leads. Raises WebError for a place that is not gone to."""
    # a fragment is the browser's, and never sent
    target = urljoin(address, location).partition("#")[0]
    try:
        check_address(target, access)
    except ValueError as error:
        host = urlsplit(address).hostname
        raise WebError(f"{host} leads to another address, which {error}") from None
    if address.startswith("https:") and not target.startswith("https:"):
        raise WebError(f"{urlsplit(address).hostname} leads from https to http, which is not safe")
    return target


class Web:
    """One thread's connections; `check` is asked four times a second while it waits."""

    def __init__(
        self,
        access: Access,
        check: Check = lambda: None,
        *,
        sockets: httpcore.NetworkBackend | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self.access = access
        self._check = check
        opened = Sockets(
            sockets or httpcore.SyncBackend(), resolve or resolved, access.private, check
        )
        self._pool = httpcore.ConnectionPool(
            httpcore.default_ssl_context(), max_connections=2, network_backend=opened
        )

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """The answer at the end of all redirects, whatever its status. Raises WebError."""
        first: Mapping[str, str] | None = None
        for _ in range(_MOST_HOPS):
            host = urlsplit(address).hostname or ""
            with _told(host), self._asked(address, headers or {}) as response:
                found = _headers(response)
                first = found if first is None else first
                location = found.get("location")
                if response.status not in _REDIRECTS or location is None:
                    chunks = self._chunks(response, host)
                    yield Answer(address, response.status, found, first, chunks)
                    return
            address = next_hop(address, location, self.access)
        raise WebError(f"{host} leads from one address to the next without an end")

    @contextmanager
    def _asked(self, address: str, headers: Mapping[str, str]) -> Iterator[httpcore.Response]:
        sent = {"User-Agent": _AGENT, "Accept-Encoding": "identity", "Connection": "close"}
        sent.update(headers)
        # the hub's own hosts alone: what it leads to has the right to the file in its address
        if self.access.token and origin(address) == origin(self.access.hub):
            sent["Authorization"] = f"Bearer {self.access.token}"
        timeout = {"connect": _CONNECT, "read": SILENCE, "write": SILENCE, "pool": SILENCE}
        with self._pool.stream(
            "GET", address, headers=list(sent.items()), extensions={"timeout": timeout}
        ) as response:
            if _headers(response).get("content-encoding", "identity") != "identity":
                raise WebError(f"{urlsplit(address).hostname} packs what it sends, unasked")
            yield response

    def _chunks(self, response: httpcore.Response, host: str) -> Iterator[bytes]:
        with _told(host):
            for chunk in response.iter_stream():
                self._check()
                yield chunk


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }


@contextmanager
def _told(host: str) -> Iterator[None]:
    """What the network does, in a sentence."""
    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise WebError(f"{host} cannot prove that it is {host}: {error}") from error
        raise WebError(
            f"{host} cannot be reached; is this computer connected to the network?", again=True
        ) from error
    except httpcore.TimeoutException as error:
        raise WebError(f"{host} has sent nothing for {SILENCE:.0f} s", again=True) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise WebError(f"the connection to {host} broke off", again=True) from error

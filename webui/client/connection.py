"""Requests to one server: its address, login and patience; every failure as an exception."""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from webui.client.errors import ServerUnreachable, of_answer
from webui.errors import InvalidRequest

API = "api/v1/"
_BEATS = 45.0  # seconds; the server gives a sign of life every 15
Query = Mapping[str, str | int | float | bool | list[str] | None]


class Connection:
    """Any thread may call; `close` ends it."""

    def __init__(
        self,
        address: str,
        login: tuple[str, str] | None = None,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`timeout`: seconds of silence. Raises InvalidRequest, field "address"."""
        self.address = _checked(address)
        self._http = httpx.Client(
            base_url=self.address,
            auth=httpx.BasicAuth(*login) if login else None,
            timeout=timeout,
            transport=transport,
            trust_env=not _is_near(self.address),  # no proxy stands before this computer
            headers={"User-Agent": "darkroom-client"},
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        return self._json(self._asked("GET", path, query=query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._json(self._asked("POST", path, json=body))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._json(self._asked("PUT", path, json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._json(self._asked("PATCH", path, json=body))

    def send(self, path: str, data: bytes, media_type: str) -> Any:
        """A body that is a file's bytes."""
        return self._json(self._asked("POST", path, data=data, media_type=media_type))

    def download(self, path: str, query: Query | None = None) -> tuple[bytes, str]:
        """A file's bytes and its media type."""
        answer = self._asked("GET", path, query=query)
        return answer.content, answer.headers.get("content-type", "").partition(";")[0]

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], silence: float | None = None
    ) -> Iterator[httpx.Response]:
        """An answer that is read as it comes, with at most `silence` seconds between its parts."""
        read = min(silence, _BEATS) if silence is not None else _BEATS
        timeout = httpx.Timeout(self._http.timeout.connect, read=read)
        with (
            _reaching(self.address),
            self._http.stream("GET", API + path, headers=dict(headers), timeout=timeout) as answer,
        ):
            if answer.status_code >= 400:
                answer.read()
            yield _well(answer)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        media_type: str = "",
    ) -> httpx.Response:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"Content-Type": media_type} if media_type else None
        with _reaching(self.address):
            return _well(
                self._http.request(
                    method, API + path, params=given, json=json, content=data, headers=headers
                )
            )

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise ServerUnreachable(
                f"{self.address} answers, but is no Darkroom: {answer.text[:80]!r}"
            ) from None


def part(text: str) -> str:
    """As one part of a path, whatever is in it."""
    return quote(text, safe="")


@contextmanager
def _reaching(address: str) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        why = str(error) or type(error).__name__
        raise ServerUnreachable(f"{address} cannot be reached: {why}") from error


def _well(answer: httpx.Response) -> httpx.Response:
    if answer.status_code < 300:
        return answer
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    if answer.is_redirect:
        body = f"the server leads on to {answer.headers.get('location', '')}; give that address"
    raise of_answer(answer.status_code, body, answer.headers.get("retry-after"))


def _checked(address: str) -> str:
    """With a scheme and without what follows the path. Raises InvalidRequest."""
    given = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidRequest("address", f"must be like http://127.0.0.1:7860, got {address[:80]!r}")
    return given.rstrip("/") + "/"


def _is_near(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""The index: extensions that exist, with where they come from. One JSON file.

{"extensions": [{"id": "wildcards", "name": "...", "description": "...", "source": ""}]}

`source` is "" for what ships with Darkroom, else an address that `sources` takes. The file that
ships is `extensions/index.json`; another one is fetched when somebody asks, and kept with the
address that it came from and when.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webui import extension_ids
from webui.downloads import Access
from webui.downloads.sockets import WebError
from webui.downloads.web import Web
from webui.errors import DownloadFailed, InvalidRequest, NotSaved
from webui.extensions.discovery import SHIPPED, write
from webui.files import invisible
from webui.installing import sources

_MOST = 4 * 2**20  # bytes
_MOST_ENTRIES = 5000
_FETCHED = ("https", "ssh")
_LATEST = 2**40  # Unix seconds
_NOT_YET = "it has not been fetched yet"


@dataclass(frozen=True, slots=True)
class Listed:
    id: str
    name: str
    description: str
    source: str  # "": it ships


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the index without asking anybody."""

    extensions: tuple[Listed, ...] = ()
    problem: str = ""
    fetched: float | None = None  # Unix seconds; None: it ships, or is not here


class Index:
    def __init__(
        self, address: str, kept: Path, access: Access, shipped: Path = SHIPPED / "index.json"
    ) -> None:
        """`address`: of another one than ours, or ""; `kept`: the file for what came from there."""
        self.address = address
        self._kept = kept
        self._access = access
        self._shipped = shipped

    def search(self, words: str = "") -> Seen:
        """Those with all the words in what is said of them, and what is wrong with the index; asks
        nobody."""
        path = self._kept if self.address else self._shipped
        try:
            with path.open("rb") as file:
                data = file.read(_MOST + 1)
            found = read(data)
        except FileNotFoundError:
            return Seen(problem=_NOT_YET)
        except (OSError, ValueError) as error:
            return Seen(problem=f"{path} cannot be read: {error}")
        address, fetched = _origin(data) if self.address else ("", None)
        if address != self.address:
            return Seen(problem=_NOT_YET)
        wanted = words.casefold().split()
        texts = [f"{each.id} {each.name} {each.description}".casefold() for each in found]
        there = zip(found, texts, strict=True)
        those = tuple(each for each, text in there if all(word in text for word in wanted))
        return Seen(those, "", fetched)

    def fetch(self) -> None:
        """What is at the address now; nothing for the one that ships, which comes with Darkroom.
        Raises DownloadFailed, NotSaved."""
        if not self.address:
            return
        try:
            with Web(self._access) as web, web.get(self.address) as answer:
                if answer.status != 200:
                    raise WebError(f"the server of {self.address} answers {answer.status}")
                data = answer.whole(_MOST)
            found = read(data)
        except WebError as error:
            raise DownloadFailed(str(error)) from None
        except ValueError as error:
            raise DownloadFailed(f"what is at {self.address} is no index: {error}") from None
        try:
            write(
                self._kept,
                {
                    "address": self.address,
                    "fetched": time.time(),
                    "extensions": [asdict(each) for each in found],
                },
            )
        except OSError as error:
            raise NotSaved(f"{self._kept} cannot be written: {error.strerror}") from error


def read(data: bytes) -> list[Listed]:
    """Raises ValueError, naming the entry."""
    if len(data) > _MOST:
        raise ValueError(f"it has more than {_MOST // 2**20} MiB")
    try:
        given = json.loads(data)
    except RecursionError:
        raise ValueError("it is too deep") from None
    entries = given.get("extensions") if isinstance(given, dict) else None
    if not isinstance(entries, list) or len(entries) > _MOST_ENTRIES:
        raise ValueError(f'it must be {{"extensions": [...]}} with at most {_MOST_ENTRIES}')
    return [_entry(each, number) for number, each in enumerate(entries)]


def _origin(data: bytes) -> tuple[str, float | None]:
    """Where a kept index, which can be read, came from, and when; ("", None) where it is not
    said."""
    given = json.loads(data)
    address, fetched = given.get("address"), given.get("fetched")
    known = type(fetched) in (int, float) and 0 <= fetched < _LATEST
    return address if isinstance(address, str) else "", float(fetched) if known else None


def _entry(given: Any, number: int) -> Listed:
    texts: Sequence[Any] = (
        [given.get(key) for key in ("id", "name", "description", "source")]
        if isinstance(given, dict) else []
    )  # fmt: skip
    if not texts or not all(isinstance(each, str) and len(each) <= 1000 for each in texts):
        raise ValueError(f"entry {number}: must have the texts id, name, description, source")
    id, name, description, source = texts
    if letter := next((found for each in texts if (found := invisible(each))), ""):
        raise ValueError(f"entry {number}: must be visible characters; {letter} is none")
    if extension_ids.problem(id):
        raise ValueError(f"entry {number}: {id[:80]!r} is no id")
    if source:
        try:
            sources.read(source, "", _FETCHED)
        except InvalidRequest as error:
            raise ValueError(f"entry {number}: {error}") from None
    return Listed(id, name, description, source)

"""One file from elsewhere into an unfinished file here, going on where it broke off, and checked.

The unfinished file says how far it is by its length; beside it lies the ETag of what it is a part
of. With it the server is asked to go on only if it still has the same (If-Range); if it has not,
or knows no parts, all begins anew. What is there is read again for the checksum, which costs no
network.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from webui.downloads.hub import check_status
from webui.downloads.looks import Item
from webui.downloads.remote import size_of, span_of
from webui.downloads.sockets import Check, WebError
from webui.downloads.web import Answer, Web

_CHUNK = 2**20  # bytes, when a file here is read


class WrongFileError(Exception):
    """What came is not what was promised: it is thrown away. For people."""


def fetched(web: Web, item: Item, part: Path, check: Check, id: str = "") -> Iterator[int]:
    """Yields how many bytes are there, the first time before anything is asked for.

    `part` is whole and checked at the end. Raises WebError if it broke off, WrongFileError with
    nothing left of it, OSError, and what `check` raises.
    """
    digest = _Digest(item)
    with part.open("ab+") as file:
        have = _taken_up(file, item, digest, check)
        yield have
        if have < item.size:
            for have in _fetched(web, item, file, part, digest, id):
                check()
                yield have
        if have < item.size:
            raise WebError(f"{item.name} broke off", again=True)
        file.flush()
        os.fsync(file.fileno())
    if (wrong := digest.wrong()) is not None:
        forget(part)
        raise WrongFileError(wrong)


def forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _etag_of(part).unlink(missing_ok=True)


def _etag_of(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _taken_up(file: BinaryIO, item: Item, digest: "_Digest", check: Check) -> int:
    """How much is there already, and counts."""
    have = file.seek(0, os.SEEK_END)
    if have > item.size:
        file.truncate(0)
        have = 0
    file.seek(0)
    left = have
    while left:
        check()
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            break
        digest.update(chunk)
        left -= len(chunk)
    return have


def _fetched(
    web: Web, item: Item, file: BinaryIO, part: Path, digest: "_Digest", id: str
) -> Iterator[int]:
    have = file.seek(0, os.SEEK_END)
    with web.get(item.address, _asking(have, part, item)) as answer:
        if answer.status == 416:  # it is shorter than what is here
            forget(part)
            raise WebError(f"{item.name} has changed where it comes from", again=True)
        check_status(answer, web.access, id)
        if size_of(answer) != item.size:
            forget(part)
            raise WrongFileError(
                f"{item.name} has {size_of(answer)} bytes by now; {item.size} were to come"
            )
        if not _goes_on(answer, have):
            file.truncate(0)
            digest.restart()
            have = 0
        _remember(part, answer)
        for chunk in answer.chunks:
            if have + len(chunk) > item.size:
                forget(part)
                raise WrongFileError(f"more came of {item.name} than its {item.size} bytes")
            file.write(chunk)
            digest.update(chunk)
            have += len(chunk)
            file.flush()  # so that what came is there if this program ends
            yield have


def _asking(have: int, part: Path, item: Item) -> dict[str, str]:
    """The header lines that ask for the rest. Without an ETag only where a hash tells in the end
    whether the two parts belong together."""
    if not have:
        return {}
    etag = ""
    with suppress(OSError):
        etag = _etag_of(part).read_text("ascii", "ignore").strip()
    if etag:
        return {"Range": f"bytes={have}-", "If-Range": etag}
    return {"Range": f"bytes={have}-"} if item.sha256 or item.blob else {}


def _goes_on(answer: Answer, have: int) -> bool:
    """Whether what comes begins where we are. Raises WebError for a part nobody asked for."""
    if answer.status == 200:
        return False
    span = span_of(answer)
    if span is None or span[0] != have:
        raise WebError("another part was sent than was asked for", again=True)
    return True


def _remember(part: Path, answer: Answer) -> None:
    """A weak ETag does not promise the same bytes, so it is none."""
    etag = answer.headers.get("etag", "")
    if etag.startswith('"') and len(etag) < 300:
        _etag_of(part).write_text(etag, "ascii", "ignore")
    else:
        _etag_of(part).unlink(missing_ok=True)


class _Digest:
    """The hash that was promised, as the bytes come."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self.restart()

    def restart(self) -> None:
        # git's hash has the length before the bytes
        self._hash = hashlib.sha1(usedforsecurity=False) if self._item.blob else hashlib.sha256()
        if self._item.blob:
            self._hash.update(b"blob %d\0" % self._item.size)

    def update(self, chunk: bytes) -> None:
        self._hash.update(chunk)

    def wrong(self) -> str | None:
        """What is wrong with it; None if it is what was promised, or nothing was."""
        promised, came = self._item.blob or self._item.sha256, self._hash.hexdigest()
        if not promised or came == promised:
            return None
        kind = "git hash" if self._item.blob else "sha256"
        return (
            f"{self._item.name} is not what it should be: its {kind} is {came[:16]}…, it should "
            f"be {promised[:16]}…; it has been thrown away"
        )

"""Pictures that requests begin with: kept under the sha256 of their file, as plain PNGs.

What comes in is checked and settled once, here (size, turning, colours, transparency), so that the
engine only ever reads 8-bit PNGs of ours. What a file said of how its picture was made lies beside
it, as <sha256>.json. Knows no requests and no jobs.
"""

import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from webui import pictures
from webui.errors import InvalidRequest, NotSaved

_NAME = re.compile(r"[0-9a-f]{64}")
_HEAD = 33  # bytes of a PNG that say its size
_PART = ".part"  # what is being written
_MOST_SAID = 2**18  # characters of each text; longer ones are not kept


@dataclass(frozen=True, slots=True)
class Kept:
    sha256: str
    width: int  # pixels
    height: int
    mode: str  # L, RGB or RGBA
    notes: tuple[str, ...] = ()  # what was done to it, in sentences


@dataclass(frozen=True, slots=True)
class Said:
    """What a picture's file said of how it was made, as it stood there; nobody has judged it."""

    parameters: str | None = None  # A1111's text
    record: str | None = None  # our exact request, as JSON


def said(folder: Path, sha256: str) -> Said:
    """Of a kept picture, the file that came last and said something; nothing where none did."""
    try:
        texts = json.loads((folder / f"{sha256}.json").read_bytes())
        return Said(texts["parameters"], texts["record"])
    except (OSError, ValueError, KeyError, TypeError):
        return Said()


def read(folder: Path, field: str, sha256: str) -> Image.Image:
    """A kept picture, mode L, RGB or RGBA. Raises InvalidRequest, naming `field`, if it is not
    there any more, or not what its name says."""
    try:
        data = (folder / f"{sha256}.png").read_bytes()
    except OSError:
        raise _gone(field) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InvalidRequest(field, "names a picture whose file was changed; send it again")
    image = Image.open(BytesIO(data), formats=["PNG"])
    image.load()
    return image


class Inputs:
    """A folder of such pictures under a quota, oldest out. Any thread may call; one process."""

    def __init__(
        self,
        folder: Path,
        quota: int,
        needed: Callable[[], Collection[str]] = tuple,
        option: str = "--input-quota",
    ) -> None:
        """`quota` in bytes. `needed`: the sha256 that jobs name, which stay. Sweeps what a crash
        left half written, and texts whose picture somebody has removed."""
        self.folder = folder
        self.lock = threading.RLock()  # while it is held, nothing is removed
        self._quota, self._needed, self._option = quota, needed, option
        with suppress(OSError):
            for left in (folder / _PART).iterdir():
                left.unlink(missing_ok=True)
        with suppress(OSError):
            for text in folder.glob("*.json"):
                if not text.with_suffix(".png").exists():
                    text.unlink(missing_ok=True)

    def add(self, data: bytes) -> Kept:
        """A picture's file, of any of `pictures.FORMATS`. Raises InvalidRequest, before any pixel
        is decoded for what is none or too large, and NotSaved."""
        header = pictures.look(data)
        found = pictures.plain(data, header)
        return self.keep(
            found.image, found.notes, Said(header.parameters, header.text(pictures.RECORD))
        )

    def keep(self, image: Image.Image, notes: tuple[str, ...] = (), says: Said = Said()) -> Kept:
        """L, RGB or RGBA; one that is here already becomes the newest, and what it `says`, if
        anything, counts from now on. Raises NotSaved."""
        buffer = BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        data = buffer.getvalue()
        name = hashlib.sha256(data).hexdigest()
        try:
            self._write(name, data, _written(says))
        except OSError as error:
            raise NotSaved(
                f"the picture could not be written to {self.folder}: {error.strerror or error}"
            ) from error
        return Kept(name, image.width, image.height, image.mode, notes)

    def size(self, field: str, sha256: str) -> tuple[int, int]:
        """(width, height), and the picture counts as used now. Raises InvalidRequest, naming
        `field`, if it is not here."""
        path = self.path(sha256)
        if path is None:
            raise _gone(field)
        try:
            with path.open("rb") as file:
                header = pictures.look(file.read(_HEAD))
            os.utime(path)
        except (OSError, InvalidRequest):
            raise _gone(field) from None
        return header.width, header.height

    def path(self, sha256: str) -> Path | None:
        """Its file; None if there is none."""
        path = self.folder / f"{sha256}.png"
        return path if _NAME.fullmatch(sha256) and path.is_file() else None

    def _write(self, name: str, data: bytes, text: bytes) -> None:
        path = self.folder / f"{name}.png"
        with self.lock:
            if _is_there(path, data):
                os.utime(path)
                self._say(path, text)
                return
        part = self._part(data)
        try:
            with self.lock:
                self._make_room(len(data) + len(text))
                part.replace(path)
                self._say(path, text)
        finally:
            part.unlink(missing_ok=True)

    def _say(self, path: Path, text: bytes) -> None:
        if text:
            self._part(text).replace(path.with_suffix(".json"))

    def _part(self, data: bytes) -> Path:
        """A file of its own with `data`, that the disk has."""
        part = self.folder / _PART / secrets.token_hex(8)
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _make_room(self, size: int) -> None:
        """For so many bytes more. Raises NotSaved if what jobs wait for leaves none."""
        needed = frozenset(self._needed())
        held, old = 0, []
        for path in self.folder.glob("*.png"):
            with suppress(OSError):
                status = path.lstat()
                both = status.st_size + _size(path.with_suffix(".json"))
                if path.stem in needed:
                    held += both
                else:
                    old.append((status.st_mtime_ns, both, path))
        if held + size > self._quota:
            raise NotSaved(
                f"there is no room for the picture: it has {size} bytes, those that jobs wait for "
                f"have {held}, and {self._quota} are allowed ({self._option})"
            )
        used = held + size + sum(each for _, each, _ in old)
        for _, freed, path in sorted(old):
            if used <= self._quota:
                break
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            used -= freed


def _is_there(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _written(says: Said) -> bytes:
    """Nothing for one that says nothing."""
    texts = {"parameters": says.parameters, "record": says.record}
    short = {
        name: text if text and len(text) <= _MOST_SAID else None for name, text in texts.items()
    }
    return json.dumps(short).encode() if any(short.values()) else b""


def _gone(field: str) -> InvalidRequest:
    return InvalidRequest(field, "names a picture that is not kept here; send it again")

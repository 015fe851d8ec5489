"""Pictures that requests begin with: kept under the sha256 of their file, as plain PNGs.

What comes in is checked and settled once, here (size, turning, colours, transparency), so that the
engine only ever reads 8-bit PNGs of ours. Knows no requests and no jobs.
"""

import hashlib
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


@dataclass(frozen=True, slots=True)
class Kept:
    sha256: str
    width: int  # pixels
    height: int
    mode: str  # L, RGB or RGBA
    notes: tuple[str, ...] = ()  # what was done to it, in sentences


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
        left half written."""
        self.folder = folder
        self.lock = threading.RLock()  # while it is held, nothing is removed
        self._quota, self._needed, self._option = quota, needed, option
        with suppress(OSError):
            for left in (folder / _PART).iterdir():
                left.unlink(missing_ok=True)

    def add(self, data: bytes) -> Kept:
        """A picture's file, of any of `pictures.FORMATS`. Raises InvalidRequest, before any pixel
        is decoded for what is none or too large, and NotSaved."""
        found = pictures.plain(data)
        return self.keep(found.image, found.notes)

    def keep(self, image: Image.Image, notes: tuple[str, ...] = ()) -> Kept:
        """L, RGB or RGBA; one that is here already becomes the newest. Raises NotSaved."""
        buffer = BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        data = buffer.getvalue()
        name = hashlib.sha256(data).hexdigest()
        try:
            self._write(name, data)
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

    def _write(self, name: str, data: bytes) -> None:
        path, part = (
            self.folder / f"{name}.png",
            self.folder / _PART / f"{secrets.token_hex(8)}.png",
        )
        with suppress(OSError), self.lock:
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                os.utime(path)
                return
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with self.lock:
                self._make_room(len(data))
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """For so many bytes more. Raises NotSaved if what jobs wait for leaves none."""
        needed = frozenset(self._needed())
        held, old = 0, []
        for path in self.folder.glob("*.png"):
            with suppress(OSError):
                status = path.lstat()
                if path.stem in needed:
                    held += status.st_size
                else:
                    old.append((status.st_mtime_ns, status.st_size, path))
        if held + size > self._quota:
            raise NotSaved(
                f"there is no room for the picture: it has {size} bytes, those that jobs wait for "
                f"have {held}, and {self._quota} are allowed ({self._option})"
            )
        used = held + size + sum(each for _, each, _ in old)
        for _, freed, path in sorted(old):
            if used <= self._quota:
                break
            path.unlink(missing_ok=True)
            used -= freed


def _gone(field: str) -> InvalidRequest:
    return InvalidRequest(field, "names a picture that is not kept here; send it again")

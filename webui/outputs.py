"""Saves pictures: <outputs>/<day>/<time>-<seed>-<id>.png, or another suffix; whole or not at all.

A picture is written under a name of its own in <outputs>/.part, forced to the disk, linked to its
name without overwriting anything, and only then called saved. Knows neither jobs nor engine.
"""

import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from PIL import Image

from webui.errors import DarkroomError, NotSaved
from webui.events import Rendered, Saved
from webui.inputs import Said
from webui.library import Library
from webui.metadata import parameters_text, record_text, source_of, with_source
from webui.pictures import SUFFIXES, Format, encode
from webui.request import GenerationRequest
from webui.request.loops import place_of

_MAX_GRID = 2**27  # pixels: 400 MB
_MAX_UNSAVED = 2**30  # bytes, of pictures that no place was found for
_FORMATS = [name.upper() for name in SUFFIXES]
_LEFT_BEHIND = 3600.0  # seconds after which no writer is at an unfinished file any more
_logger = logging.getLogger(__name__)


class Outputs:
    def __init__(
        self,
        folder: Path,
        library: Library,
        version: str,
        unsaved: Path,
        clock: Callable[[], datetime] = datetime.now,
        picture_format: Format = Format(),
        said: Callable[[str], Said] = lambda sha256: Said(),
    ) -> None:
        """`unsaved` takes what cannot be written to `folder`; `said`: what the file of a picture
        that requests begin with said of itself. Sweeps what a crash left behind."""
        self._folder = folder
        self._part = folder / ".part"
        self._library = library
        self._version = version
        self._unsaved = unsaved
        self._clock = clock
        self._format = picture_format
        self._said = said
        with suppress(OSError):  # a disk that is not there now may be there at the first picture
            self._part.mkdir(parents=True, exist_ok=True)
            for left in _pictures(self._part):  # another server may write to the same outputs
                if left.lstat().st_mtime < time.time() - _LEFT_BEHIND:
                    left.unlink(missing_ok=True)

    def notices(self) -> list[str]:
        """What the person who runs the server should know: pictures that wait to be fetched."""
        with suppress(OSError):
            if kept := len(_pictures(self._unsaved)):
                return [f"{kept} pictures that could not be saved lie in {self._unsaved}"]
        return []

    def save(self, rendered: Rendered) -> Saved:
        """Raises NotSaved, naming the folder and where the picture is instead, if anywhere."""
        request, picture = rendered.request, rendered.picture
        size = (picture.width, picture.height)
        image = Image.frombytes("RGB", size, picture.rgb)
        if picture.alpha:
            image.putalpha(Image.frombytes("L", size, picture.alpha))
        path = self._write(self._file(image, request, rendered.notes), str(request.seed))
        return Saved(
            image=rendered.image,
            path=path,
            request=request,
            seconds=rendered.seconds,
            peak_memory=rendered.peak_memory,
            width=picture.width,
            height=picture.height,
        )

    def save_grid(self, request: GenerationRequest, pictures: Sequence[Saved]) -> Saved | None:
        """All pictures of a request on one sheet, in order, A1111's way; None if it were huge.

        Reads them from the disk; one that is gone leaves its place black.
        """
        rows, columns = grid_shape(len(pictures))
        width = columns * max(each.width for each in pictures)
        height = rows * max(each.height for each in pictures)
        if width * height > _MAX_GRID:
            return None
        sheet = Image.new("RGB", (width, height))
        for place, saved in enumerate(in_order(request, pictures)):
            row, column = divmod(place, columns)
            try:
                with Image.open(self._folder / saved.path, formats=_FORMATS) as image:
                    if image.size == (saved.width, saved.height):
                        sheet.paste(image, (column * width // columns, row * height // rows))
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                continue
        return Saved(
            image=-1,
            path=self._write(self._file(sheet, request, ()), "grid"),
            request=request,
            seconds=sum(each.seconds for each in pictures),
            peak_memory=max(each.peak_memory for each in pictures),
            width=width,
            height=height,
        )

    def save_sheet(
        self, image: Image.Image, request: GenerationRequest, notes: Sequence[str]
    ) -> str:
        """A sheet of several jobs' pictures, with the recipe of all; its path, relative to the
        outputs. Raises NotSaved."""
        return self._write(self._file(image, request, notes), "grid")

    def _file(
        self, image: Image.Image, request: GenerationRequest, notes: Sequence[str]
    ) -> tuple[bytes, str]:
        """The file and its suffix, with both records: A1111's text, and our request exactly."""
        try:
            model_hash = self._library.hash(request.model)
        except (OSError, DarkroomError):
            model_hash = ""  # its files went away meanwhile; the picture is there all the same
        text, source = parameters_text(request, model_hash, self._version, notes), None
        if request.upscale is not None:  # made of another picture, whose recipe stays
            said = self._said(request.upscale.picture)
            text, source = with_source(text, said.parameters), source_of(said.record)
        record = record_text(request, model_hash, self._version, source)
        return encode(image, self._format, text, record)

    def _write(self, file: tuple[bytes, str], label: str) -> str:
        """The path it got, relative to the outputs, with forward slashes."""
        now, (data, suffix) = self._clock(), file
        name = f"{now:%H%M%S}-{label}-{secrets.token_hex(4)}{suffix}"
        place = self._folder / f"{now:%Y-%m-%d}"
        try:
            write_atomically(place / name, data, self._part)
        except OSError as error:
            instead = self._keep(name, data)
            raise NotSaved(
                f"the picture could not be written to {place}: {error.strerror or error}; {instead}"
            ) from error
        return f"{place.name}/{name}"

    def _keep(self, name: str, data: bytes) -> str:
        """Puts the picture where it will not be looked for, but not lost; says so."""
        try:
            used = sum(each.stat().st_size for each in _pictures(self._unsaved))
            if used + len(data) > _MAX_UNSAVED:
                return f"it is lost, because {self._unsaved} is full"
            write_atomically(self._unsaved / name, data, self._unsaved / ".part")
        except OSError:
            return f"it is lost, because {self._unsaved} cannot be written to either"
        return f"it is kept as {self._unsaved / name}"


def _pictures(folder: Path) -> list[Path]:
    return [each for each in folder.glob("*") if each.suffix in SUFFIXES.values()]


def in_order(request: GenerationRequest, pictures: Sequence[Saved]) -> list[Saved]:
    """As they hang: the grid of all (image -1) first, then by number, loop after loop."""
    return sorted(pictures, key=lambda each: place_of(request, each.image))


def grid_shape(pictures: int) -> tuple[int, int]:
    """(rows, columns), as A1111 lays a batch out."""
    rows = min(max(round(math.sqrt(pictures)), 1), pictures)
    return rows, -(-pictures // rows)


def write_atomically(path: Path, data: bytes, part: Path) -> None:
    """`path` is there whole or not at all; nothing is overwritten. Also after a power cut, unless
    the disk refuses to say that it has the name, which is logged.

    `part` is a folder on the same disk for the unfinished file. Raises OSError.
    """
    part.mkdir(parents=True, exist_ok=True)
    unfinished = part / f"{secrets.token_hex(8)}.png"
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        _link(unfinished, path)
    finally:
        with suppress(OSError):  # it is swept later
            unfinished.unlink(missing_ok=True)
    try:
        _sync(path.parent)
        _sync(path.parent.parent)  # the day's folder may be new
    except OSError as error:  # it has its name, so it must not be said to be lost
        _logger.warning("%s is saved, but may not survive a power cut: %s", path, error)


def _link(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links (FAT, some network shares)
        if path.exists():
            raise FileExistsError(f"{path} is there already") from None
        unfinished.replace(path)


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

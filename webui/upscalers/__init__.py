"""Upscalers' files under models/: what is there, what can be used, how much larger each makes.

A file is one upscaler, and is called by its stem. Only headers of safetensors files are read here;
whatever is in them may have come from anywhere, so a wrong one is listed with its problem and
breaks nothing else. Names are looked up in the list, never joined to a path. Knows no torch.
"""

import importlib.util
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.files import printable
from webui.safetensors_header import HeaderError, read
from webui.upscalers.layouts import Layout, recognised
from webui.weight_files import PICKLES, SUFFIX, listed, status

__all__ = ["FOLDERS", "SPANDREL", "Layout", "UpscalerFile", "Upscalers"]

FOLDERS = ("ESRGAN", "RealESRGAN", "upscale_models", "upscalers")  # under models/
SPANDREL = (
    "it is neither ESRGAN nor Real-ESRGAN; other networks need the packages spandrel and "
    "torchvision, which are not installed (docs/upscaling.md)"
)
_OTHERS = (".onnx", ".param")
_KINDS = (SUFFIX, *PICKLES, *_OTHERS)  # what looks like an upscaler
_MOST_FILES = 1000
_MOST_HEADER = 4 * 2**20  # bytes
_MOST_TENSORS = 20_000

Stamp = tuple[str, int, int]  # path, size, time of change in ns: another one, another content


@dataclass(frozen=True, slots=True)
class UpscalerFile:
    name: str  # the file's stem
    path: Path
    size_bytes: int = 0
    layout: Layout | None = None  # None: of a network that spandrel may know
    stamp: Stamp = ("", 0, 0)
    problem: str | None = None  # why it cannot be used

    @property
    def scale(self) -> int | None:
        """How much larger it makes a picture; None where that is known only once it is loaded."""
        return self.layout.scale if self.layout else None


class Upscalers:
    """Looks at the folders each time; a header is kept while its file stays as it is.

    Any thread may call.
    """

    def __init__(self, models_dir: Path) -> None:
        self.folders = [models_dir / name for name in FOLDERS]
        self._lock = threading.Lock()
        self._read: dict[Stamp, UpscalerFile] = {}

    def files(self) -> list[UpscalerFile]:
        """By name; of files of one name in several folders the first can be used."""
        with self._lock:
            found = [
                self._file(home, path)
                for home in self.folders
                for path in listed(home, _KINDS, _MOST_FILES)
            ]
            self._read = {each.stamp: each for each in found if each.stamp[0]}
        return _told_apart(found)

    def find(self, name: str) -> UpscalerFile | None:
        """The file of that name that can be used, else one with its problem; None without any.
        Capitals do not matter where only one fits."""
        files = self.files()
        near = [each for each in files if each.name.casefold() == name.casefold()]
        near.sort(key=lambda each: (each.problem is not None, each.name != name))
        return near[0] if near else None

    def _file(self, home: Path, path: Path) -> UpscalerFile:
        name, stamp = printable(path.stem), ("", 0, 0)
        try:
            found = _checked(home, path)
            stamp = (str(path), found.st_size, found.st_mtime_ns)
            known = self._read.get(stamp)
            if known is None:
                layout = recognised(read(path, _MOST_HEADER, _MOST_TENSORS).tensors)
                known = UpscalerFile(name, path, found.st_size, layout, stamp)
            if known.layout is None and not _spandrel():
                raise HeaderError(SPANDREL)
            return known
        except HeaderError as error:
            problem = str(error)
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        return UpscalerFile(name, path, problem=problem)


def _spandrel() -> bool:
    return all(importlib.util.find_spec(each) is not None for each in ("spandrel", "torchvision"))


def _checked(home: Path, path: Path) -> os.stat_result:
    """Raises HeaderError for what is no safetensors file of this folder; OSError."""
    suffix = path.suffix.casefold()
    if suffix in _OTHERS:
        raise HeaderError(f"{suffix} files are not read, only {SUFFIX} files are")
    if suffix == SUFFIX and printable(path.name) != path.name:
        raise HeaderError("its name has signs that cannot be shown; rename it")
    return status(home, path, "upscalers", "docs/upscaling.md")


def _told_apart(found: Sequence[UpscalerFile]) -> list[UpscalerFile]:
    """Capitals make no difference, so of two names that differ by them one is out."""
    first: dict[str, UpscalerFile] = {}
    files = []
    for each in sorted(found, key=lambda each: each.problem is not None):
        taken = first.setdefault(each.name.casefold(), each)
        if taken is not each and each.problem is None:
            other = printable(str(taken.path.relative_to(taken.path.parents[1])))
            problem = f"the name is taken by {other}; rename one of them"
            each = UpscalerFile(each.name, each.path, each.size_bytes, problem=problem)
        files.append(each)
    return sorted(files, key=lambda each: (each.name.casefold(), str(each.path)))

"""Which extensions there are: a folder with an `extension.toml`, shipped or installed.

Nothing of them is run. Which of them somebody has turned off stands in a file of the data folder.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import webui
from webui.errors import ExtensionError
from webui.extensions import manifest as manifests
from webui.extensions.manifest import Manifest
from webui.extensions.packages import PACKAGES
from webui.extensions.turns import alone

SHIPPED = Path(webui.__file__).resolve().parents[1] / "extensions"
_CHOICES = "extensions.json"
_NOT_ITS_OWN = ("__pycache__", ".git", PACKAGES)  # what came with it stands in its record
_MOST_FILES = 5000
_MOST_BYTES = 2**28

Origin = Literal["shipped", "installed"]


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that is an extension, or says that it is one."""

    id: str  # as its folder is called
    folder: Path
    origin: Origin
    manifest: Manifest | None
    problem: str = ""  # why it cannot be used, as far as one sees without running it


def find(installed: Path, shipped: Path = SHIPPED) -> list[Found]:
    """Those that ship first, each in order of its id."""
    found = _in(shipped, "shipped")
    taken = {each.id for each in found}
    for each in _in(installed, "installed"):
        if each.id in taken:
            problem = f"the id {each.id!r} is taken by an extension that ships"
            each = Found(each.id, each.folder, each.origin, None, problem)
        found.append(each)
    return found


def named(places: Iterable[str]) -> list[Found]:
    """Those at "shipped:FOLDER" or "installed:FOLDER", as another process has found them."""
    found = []
    for each in places:
        origin, _, folder = each.partition(":")
        found.append(_look(Path(folder), "shipped" if origin == "shipped" else "installed"))
    return found


def _in(place: Path, origin: Origin) -> list[Found]:
    try:
        folders = [each for each in place.iterdir() if each.is_dir() and each.name[0] not in "._"]
    except OSError:  # there is none, as long as nothing was installed
        return []
    return [_look(folder, origin) for folder in sorted(folders)]


def _look(folder: Path, origin: Origin) -> Found:
    try:
        manifest = manifests.read(folder)
    except ExtensionError as error:
        return Found(folder.name, folder, origin, None, str(error))
    if absent := manifests.missing(manifest, folder):
        return Found(folder.name, folder, origin, manifest, "; ".join(absent))
    return Found(folder.name, folder, origin, manifest)


def digest(found: Found) -> str:
    """Another one where any of its files, or what they run in, is another. Raises ExtensionError
    for a folder that is too large to be code."""
    made = hashlib.sha256(f"{webui.__version__} {manifests.API_VERSION} {sys.version}".encode())
    size = files = 0
    for place, folders, names in os.walk(found.folder):
        folders[:] = sorted(each for each in folders if each not in _NOT_ITS_OWN)
        for name in sorted(names):
            path = Path(place, name)
            with suppress(OSError):
                data = path.read_bytes() if path.is_file() else b""
                made.update(f"{path.relative_to(found.folder)}\0{len(data)}\0".encode())
                made.update(data)
                size, files = size + len(data), files + 1
            if files > _MOST_FILES or size > _MOST_BYTES:
                raise ExtensionError(
                    f"{found.folder} has more than {_MOST_FILES} files or "
                    f"{_MOST_BYTES // 2**20} MiB; what is not code belongs elsewhere"
                )
    return made.hexdigest()


class Choices:
    """Which extensions are turned off. What is no file of choices is laid aside, and none is."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / _CHOICES
        self.notice = ""  # for the user, where the file was damaged

    def disabled(self) -> frozenset[str]:
        """Raises OSError where nobody can say: it is another time that it cannot be read at."""
        try:
            written = json.loads(self.path.read_text(encoding="utf-8"))
            return frozenset(_texts(written["disabled"]))
        except FileNotFoundError:
            return frozenset()
        except (ValueError, KeyError, TypeError, RecursionError):
            aside = self.path.with_name(f"{_CHOICES}.bad-{time.time_ns()}")
            with suppress(OSError):
                self.path.replace(aside)
            self.notice = f"{self.path} was damaged; it is kept as {aside.name}, all are on"
            return frozenset()

    def turn(self, id: str, *, on: bool) -> None:
        """From the next start on. Raises OSError."""
        with alone(self.path):
            left = self.disabled() - {id} if on else self.disabled() | {id}
            write(self.path, {"disabled": sorted(left)})


def write(path: Path, values: Mapping[str, object]) -> None:
    """JSON, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _texts(given: Iterable[object]) -> Sequence[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError("must be a list of texts")
    return given

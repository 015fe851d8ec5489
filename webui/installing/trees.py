"""The files of an extension, held against what a folder of code may be, and written one by one.

Only plain files are: no links, no submodules, nothing hidden, no compiled Python that stands for
other code than one reads beside it.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webui.downloads.names import problem_of, told_apart
from webui.extensions.manifest import FILE
from webui.installing.errors import InstallError
from webui.installing.git import Entry

MOST_FILES = 2000
MOST_BYTES = 64 * 2**20
_MOST_ONE = 32 * 2**20
_MOST_WALKED = 5 * MOST_FILES  # with what is left out
_LINK, _SUBMODULE = "120000", "160000"
_PLAIN = ("100644", "100755", "100664")
_COMPILED = (".pyc", ".pyo", ".pth")
Read = Callable[[Entry], bytes]


@dataclass(frozen=True, slots=True)
class Tree:
    entries: tuple[Entry, ...]
    left_out: int  # hidden and compiled files
    size: int  # bytes

    @property
    def manifest(self) -> Entry:
        """Raises InstallError where there is none."""
        for each in self.entries:
            if each.name == FILE:
                return each
        raise InstallError(f"it is no extension of Darkroom: there is no {FILE} at its top")


def checked(entries: Sequence[Entry]) -> Tree:
    """Raises InstallError, naming the file."""
    kept = [each for each in entries if not _is_left_out(each.name)]
    for each in kept:
        if each.mode == _LINK:
            raise InstallError(f"{_shown(each.name)} is a link; links are not installed")
        if each.mode == _SUBMODULE:
            raise InstallError(f"{_shown(each.name)} is a submodule; they are not fetched")
        if each.mode not in _PLAIN:
            raise InstallError(f"{_shown(each.name)} is no plain file")
        if (problem := problem_of(each.name)) is not None:
            raise InstallError(f"{_shown(each.name)}: {problem}")
        if each.size > _MOST_ONE:
            raise InstallError(f"{each.name} is larger than {_MOST_ONE // 2**20} MiB")
    total = sum(each.size for each in kept)
    if len(kept) > MOST_FILES or total > MOST_BYTES:
        raise InstallError(
            f"it has {len(kept)} files of {total // 2**20} MiB; at most {MOST_FILES} of "
            f"{MOST_BYTES // 2**20} MiB are installed: what is not code belongs elsewhere"
        )
    if twins := _twins([each.name for each in kept]):
        raise InstallError(
            f"{_shown(twins)} differs from another name in capitals or accents alone"
        )
    return Tree(tuple(kept), len(entries) - len(kept), total)


def write(tree: Tree, read: Read, folder: Path, told: Callable[[int], None]) -> str:
    """All of it into `folder`, which must not be there; a digest of names and contents."""
    folder.mkdir()
    made, done = hashlib.sha256(), 0
    for each in sorted(tree.entries, key=lambda entry: entry.name):
        data = read(each)
        target = folder.joinpath(*each.name.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.update(f"{each.name}\0{len(data)}\0".encode())
        made.update(data)
        done += len(data)
        told(done)
    return made.hexdigest()


def of_folder(folder: Path) -> list[Entry]:
    """What lies in it, links not followed. Raises InstallError."""
    found = []
    try:
        for each in _walked(folder, ""):
            found.append(each)
            if len(found) > _MOST_WALKED:
                raise InstallError(f"{folder} has more than {_MOST_WALKED} files")
    except OSError as error:
        raise InstallError(f"{folder} cannot be read: {error.strerror or error}") from None
    return found


def reader_of(folder: Path) -> Read:
    """Of files of a folder; a link that has come since is not followed."""

    def read(entry: Entry) -> bytes:
        try:
            handle = os.open(folder / entry.name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(handle, "rb") as file:
                data = file.read(entry.size + 1)
        except OSError as error:
            raise InstallError(f"{entry.name} cannot be read: {error.strerror}") from None
        if len(data) != entry.size:
            raise InstallError(f"{entry.name} changes while it is read; try again")
        return data

    return read


def _walked(folder: Path, inside: str) -> Iterator[Entry]:
    for each in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = inside + each.name
        status = each.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if not _is_left_out(name):
                yield from _walked(folder / each.name, name + "/")
            continue
        if stat.S_ISLNK(status.st_mode):
            mode = _LINK
        else:
            mode = _PLAIN[0] if stat.S_ISREG(status.st_mode) else "0"
        yield Entry(name, mode, "", status.st_size)


def _is_left_out(name: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return hidden or "__pycache__" in parts or name.casefold().endswith(_COMPILED)


def _twins(names: Sequence[str]) -> str:
    """One that some disk takes for another: of two files, or of their folders; "" if none."""
    folders: set[str] = set()
    for name in names:
        parts = name.split("/")
        folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    return min(told_apart([*names, *sorted(folders)]), default="")


def _shown(name: str) -> str:
    return repr(name[:80])

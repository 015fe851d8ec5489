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
_MOST_WALKED = 5 * MOST_FILES  # with folders and what is left out
_DEEPEST = 20  # folders in folders; names have a limit of their own
_LINK, _SUBMODULE, _FOLDER = "120000", "160000", "040000"
_PLAIN = ("100644", "100755", "100664")
_COMPILED = (".pyc", ".pyo", ".pth")
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_READ |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
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
    found: list[Entry] = []
    waiting, count = [""], 0
    try:
        while waiting:
            for entry in _listed(folder, waiting.pop()):
                count += 1
                if count > _MOST_WALKED:
                    raise InstallError(f"{folder} has more than {_MOST_WALKED} files and folders")
                if entry.mode != _FOLDER:
                    found.append(entry)
                elif entry.name.count("/") >= _DEEPEST:
                    raise InstallError(f"{_shown(entry.name)} lies too deep in {folder}")
                elif not _is_left_out(entry.name):
                    waiting.append(entry.name + "/")
    except OSError as error:
        raise InstallError(f"{folder} cannot be read: {error.strerror or error}") from None
    return sorted(found, key=lambda entry: entry.name)


def reader_of(folder: Path) -> Read:
    """Of files of a folder; what has become a link or a pipe since is neither followed nor waited
    for."""

    def read(entry: Entry) -> bytes:
        try:
            with os.fdopen(_opened(folder, entry.name), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise InstallError(f"{entry.name} is no plain file any more")
                data = file.read(entry.size + 1)
        except OSError as error:
            raise InstallError(f"{entry.name} cannot be read: {error.strerror}") from None
        if len(data) != entry.size:
            raise InstallError(f"{entry.name} changes while it is read; try again")
        return data

    return read


def _opened(folder: Path, name: str) -> int:
    """A handle; each folder on the way is one, and no link. Raises OSError."""
    *folders, last = name.split("/")
    if os.open not in os.supports_dir_fd:
        return os.open(folder / name, _READ)
    at = os.open(folder, _READ | os.O_DIRECTORY)
    try:
        for each in folders:
            below = os.open(each, _READ | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        return os.open(last, _READ, dir_fd=at)
    finally:
        os.close(at)


def _listed(folder: Path, inside: str) -> Iterator[Entry]:
    """One by one: there may be millions."""
    with os.scandir(folder / inside) as listed:
        for each in listed:
            yield _entry(inside + each.name, each.stat(follow_symlinks=False))


def _entry(name: str, status: os.stat_result) -> Entry:
    kinds = {stat.S_IFDIR: _FOLDER, stat.S_IFLNK: _LINK, stat.S_IFREG: _PLAIN[0]}
    return Entry(name, kinds.get(stat.S_IFMT(status.st_mode), "0"), "", status.st_size)


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

"""models/embeddings/ on disk: learned vectors (textual inversion) that a prompt can name.

A file is one embedding, and is called by its stem. Only the headers of safetensors files are read
here; whatever is in them may have come from anywhere, so a wrong one is listed with its problem and
breaks nothing else. Names are looked up in the list, never joined to a path. Knows no torch.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webui import model_folders
from webui.embedding_header import Part, read_parts
from webui.files import printable
from webui.safetensors_header import HeaderError
from webui.weight_files import PICKLES, SUFFIX, listed, status

_MOST_FILES = 5000

Stamp = tuple[str, int, int]  # path, size, time of change in ns: another one, another content
_UNREAD: Stamp = ("", 0, 0)


@dataclass(frozen=True, slots=True)
class EmbeddingEntry:
    name: str  # as a prompt calls it: the file's stem
    path: Path
    size_bytes: int = 0
    parts: Mapping[str, Part] = field(default_factory=dict)  # by text encoder; "": the only one
    stamp: Stamp = _UNREAD
    problem: str | None = None  # why it cannot be used

    @property
    def vectors(self) -> int:
        """How many; each takes the place of a token."""
        return next(iter(self.parts.values())).vectors if self.parts else 0

    def misfit(self, widths: Mapping[str, int]) -> str | None:
        """Why a model cannot use it whose text encoders have tokens of `widths`; None if it can."""
        if self.problem is not None:
            return self.problem
        mine = {name: part.width for name, part in self.parts.items()}
        if "" in mine and len(widths) == 1:
            mine = {next(iter(widths)): mine[""]}
        if mine == dict(widths):
            return None
        return f"its vectors are {_shown(mine)} wide; this model's are {_shown(widths)}"


class Embeddings:
    """Looks at the folder each time; headers and hashes are kept while a file stays as it is.

    Any thread may call.
    """

    def __init__(self, *models_dirs: Path) -> None:
        """What is saved goes into the first."""
        self.folder = models_dirs[0] / "embeddings"
        self._roots = models_dirs
        self._lock = threading.Lock()
        self._read: dict[Stamp, EmbeddingEntry] = {}
        self._hashes: dict[Stamp, str] = {}

    def entries(self) -> list[EmbeddingEntry]:
        """By name."""
        with self._lock:
            found = [
                self._entry(path, place)
                for place in model_folders.folders(self._roots, "embeddings")
                for path in listed(place, (SUFFIX, *PICKLES), _MOST_FILES)
            ]
            self._read = {entry.stamp: entry for entry in found if entry.stamp != _UNREAD}
        return _told_apart(found)

    def usable(self, widths: Mapping[str, int]) -> dict[str, EmbeddingEntry]:
        """By name, those that a model can use whose text encoders have tokens of `widths`."""
        return {entry.name: entry for entry in self.entries() if entry.misfit(widths) is None}

    def unusable(self, widths: Mapping[str, int]) -> dict[str, str]:
        """By name, why such a model cannot use each of the others. A name that is one of the usable
        whatever its capitals, as of a pickle beside what it was converted to, is not among them."""
        entries = self.entries()
        reasons = [(entry.name, entry.misfit(widths)) for entry in entries]
        usable = {name.casefold() for name, reason in reasons if reason is None}
        return {
            name: reason for name, reason in reasons if reason and name.casefold() not in usable
        }

    def hash(self, entry: EmbeddingEntry) -> str:
        """sha256 of the file. Raises OSError."""
        known = self._hashes.get(entry.stamp)
        if known is None:
            with entry.path.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            self._hashes[entry.stamp] = known
        return known

    def _entry(self, path: Path, folder: Path) -> EmbeddingEntry:
        name, stamp = path.stem, _UNREAD
        shown = printable(name)
        try:
            found = status(folder, path, "embeddings", "docs/embeddings.md")
            stamp = (str(path), found.st_size, found.st_mtime_ns)
            if stamp in self._read:
                return self._read[stamp]
            if shown != name:
                raise HeaderError("its name cannot be written in a prompt; rename it")
            return EmbeddingEntry(name, path, found.st_size, read_parts(path), stamp)
        except HeaderError as error:
            problem = str(error)
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        return EmbeddingEntry(shown, path, stamp=stamp, problem=problem)


def _told_apart(found: list[EmbeddingEntry]) -> list[EmbeddingEntry]:
    """Capitals make no difference in a prompt, so of two names that differ by them one is out."""
    first: dict[str, EmbeddingEntry] = {}
    entries = []
    for entry in sorted(found, key=lambda each: (each.problem is not None, str(each.path))):
        taken = first.setdefault(entry.name.casefold(), entry)
        if taken is not entry and entry.problem is None:
            other = printable(taken.path.name)
            problem = f"the name is taken by {other}; rename one of them"
            entry = EmbeddingEntry(entry.name, entry.path, entry.size_bytes, problem=problem)
        entries.append(entry)
    return sorted(entries, key=lambda each: (each.name.casefold(), str(each.path)))


def _shown(widths: Mapping[str, int]) -> str:
    if len(widths) == 1:
        return str(next(iter(widths.values())))
    return " and ".join(f"{width} ({name or 'one encoder'})" for name, width in widths.items())

"""What can be completed while a prompt is typed: names of files, and tags from lists.

A list is a file that the user drops into models/tags/: `.txt` with one tag a line, or `.csv` as the
tag completion of A1111 has it: `tag,kind,count,"other names"`, of which the count decides who comes
first. Names are those of files without what stands after the last point; none is ever joined to a
path.
"""

import csv
import heapq
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from webui.files import stamp

FOLDERS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # kind -> folder in models/, what it holds
    "wildcard": ("wildcards", (".txt",)),
}
MOST = 200  # words in one answer
_TAGS = "tags"
_MOST_FILES = 20_000
_MOST_BYTES = 64 * 2**20  # of one list
_MOST_TAGS = 1_000_000
_LONGEST = 200  # characters of a tag


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    kind: str  # lora, embedding, wildcard or tag
    count: int = 0  # how often a tag is used
    called: str = ""  # the other name that was asked for


@dataclass(frozen=True, slots=True)
class _Table:
    """Sorted by key: the word, or another name of it, in small letters."""

    keys: Sequence[str]
    words: Sequence[Word]

    def beginning(self, prefix: str, limit: int) -> list[Word]:
        """The most used first, then by name."""
        first = bisect_left(self.keys, prefix)
        last = bisect_left(self.keys, prefix + "\U0010ffff")
        found = heapq.nsmallest(
            2 * limit + 8, range(first, last), key=lambda at: (-self.words[at].count, at)
        )
        unique = {self.words[at].text: self.words[at] for at in reversed(found)}
        return sorted(unique.values(), key=lambda word: (-word.count, word.text.casefold()))[:limit]


class WordLists:
    """Any thread may call. Lists are read when they are first asked for and when they change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: tuple[object, _Table] = (None, _Table((), ()))

    def beginning(
        self, models_dir: Path, prefix: str, limit: int, others: Iterable[Word] = ()
    ) -> list[Word]:
        """At most `limit` words that begin with `prefix`, whatever the capitals: files, then tags.

        An empty prefix is every file's name, and no tag. `_` and a blank are the same. `others` are
        the names of embeddings and LoRAs, which `webui.embeddings` and `webui.loras` know.
        """
        asked = _key(prefix)
        known = [*_files(models_dir), *others]
        files = [word for word in known if _key(word.text).startswith(asked)]
        files.sort(key=lambda word: (word.kind, word.text.casefold()))
        tags = self._table(models_dir / _TAGS).beginning(asked, limit) if asked else []
        return [*files, *tags][:limit]

    def _table(self, folder: Path) -> _Table:
        paths = _listed(folder, (".csv", ".txt"))
        stamps = (folder, tuple((path.name, *stamp(path)) for path in paths))
        with self._lock:
            if self._tags[0] != stamps:
                self._tags = (stamps, _read(paths))
            return self._tags[1]


def _files(models_dir: Path) -> Iterator[Word]:
    for kind, (folder, endings) in FOLDERS.items():
        for path in _listed(models_dir / folder, endings):
            yield Word(path.stem, kind)


def _listed(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in islice(found, _MOST_FILES)]
    except OSError:
        return []
    return [
        folder / name
        for name in sorted(names)
        if name.lower().endswith(endings) and not name.startswith(".") and name.isprintable()
    ]


def _read(paths: Sequence[Path]) -> _Table:
    entries: list[tuple[str, Word]] = []
    for path in paths:
        for word, others in islice(_tags(path), _MOST_TAGS - len(entries)):
            entries.append((_key(word.text), word))
            entries += [
                (_key(other), Word(word.text, "tag", word.count, other)) for other in others
            ]
    entries.sort(key=lambda entry: entry[0])
    return _Table([key for key, _ in entries], [word for _, word in entries])


def _tags(path: Path) -> Iterator[tuple[Word, Sequence[str]]]:
    """Each tag of a list with its other names; a line that is none is passed over."""
    try:
        if not path.is_file():  # opening a pipe would never end
            return
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError:
        return
    lines = data[:_MOST_BYTES].decode("utf-8-sig", "replace").splitlines()
    if path.suffix.lower() == ".txt":
        for line in lines:
            if 0 < len(line.strip()) <= _LONGEST:
                yield Word(line.strip(), "tag"), ()
        return
    for line in lines:
        # one by one: a quote that is never closed would swallow the lines after it
        row = next(csv.reader((line,)), []) if len(line) <= 100 * _LONGEST else []
        text = row[0].strip() if row else ""
        if not 0 < len(text) <= _LONGEST:
            continue
        count = row[2].strip() if len(row) > 2 else ""
        others = [each.strip() for each in row[3].split(",")] if len(row) > 3 else []
        used = int(count) if count.isascii() and count.isdigit() and len(count) < 16 else 0
        yield Word(text, "tag", used), [each for each in others if 0 < len(each) <= _LONGEST]


def _key(text: str) -> str:
    return text.replace("_", " ").casefold()

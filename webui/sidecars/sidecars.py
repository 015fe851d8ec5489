"""Which files lie beside which weights; a folder is listed once for all that are in it."""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webui.files import stamp
from webui.sidecars.texts import Words, read
from webui.weight_files import PICKLES, SUFFIX

PICTURES = (
    *(".preview.png", ".png", ".preview.jpg", ".jpg", ".preview.jpeg", ".jpeg"),
    *(".preview.webp", ".webp", ".preview.gif", ".gif"),
)
_TEXTS = (".json", ".civitai.info", ".txt", ".description.txt")  # in this order
_MOST_KEPT = 50_000

Stamp = tuple[tuple[Path, tuple[int, int]], ...]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Of one file of weights, or of a model's folder."""

    picture: Path | None = None
    version: str = ""  # of the picture: another one, another content
    words: Words = field(default_factory=Words)


class Sidecars:
    """Looks each time; a text is read once while it stays as it is. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[Stamp, Words] = {}

    def of(self, paths: Iterable[Path]) -> dict[Path, Sidecar]:
        """For each path what lies beside it."""
        listed: dict[Path, Mapping[str, str]] = {}
        return {path: self._of(path, listed) for path in paths}

    def _of(self, path: Path, listed: dict[Path, Mapping[str, str]]) -> Sidecar:
        names = listed.get(path.parent)
        if names is None:
            names = listed[path.parent] = _names(path.parent)
        stem = _stem(path).casefold()
        pictures = (names[stem + end] for end in PICTURES if stem + end in names)
        picture = next((path.with_name(each) for each in pictures), None)
        changed, size = stamp(picture) if picture else (0, 0)
        texts = [path.with_name(names[stem + end]) for end in _TEXTS if stem + end in names]
        return Sidecar(picture, f"{changed:x}-{size:x}" if picture else "", self._words(texts))

    def _words(self, texts: list[Path]) -> Words:
        if not texts:
            return Words()
        key = tuple((path, stamp(path)) for path in texts)
        with self._lock:
            known = self._read.get(key)
        if known is None:
            known = read(texts)
            with self._lock:
                if len(self._read) >= _MOST_KEPT:
                    self._read.clear()
                self._read[key] = known
        return known


def _stem(path: Path) -> str:
    """A model's folder has no suffix, though its name may have a dot in it."""
    return path.stem if path.suffix.casefold() in (SUFFIX, *PICKLES) else path.name


def _names(folder: Path) -> dict[str, str]:
    """In small letters -> as they are; the first of equal ones."""
    try:
        with os.scandir(folder) as found:
            names = sorted((each.name for each in found), reverse=True)
    except OSError:
        return {}
    return {name.casefold(): name for name in names}

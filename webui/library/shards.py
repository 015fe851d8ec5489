"""A part's weights as diffusers and transformers save them: one file, or numbered ones.

Which files belong together, their names say; the index beside them, which may name any file, is not
looked at.
"""

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from webui.library.problem import ProblemError

_MOST = 64
_MOST_FILES = 200  # of a folder, that are looked at


def names(there: Iterable[str], whole: str) -> list[str]:
    """Of the files that are there, those that hold what `whole` would: it, or all its pieces in
    their order; empty if there is none. Raises ProblemError for a piece that is missing."""
    stem, _, suffix = whole.rpartition(".")
    piece = re.compile(rf"{re.escape(stem)}-(\d{{5}})-of-(\d{{5}})\.{re.escape(suffix)}", re.ASCII)
    found = {}
    for name in there:
        if name == whole:
            return [whole]
        if match := piece.fullmatch(name):
            found[int(match[1]), int(match[2])] = name
    counts = {count for _, count in found}
    if not counts:
        return []
    count = max(counts)
    if count > _MOST or len(counts) > 1:
        raise ProblemError(f"{whole} lies there in pieces of several kinds, or in too many")
    missing = [number for number in range(1, count + 1) if (number, count) not in found]
    if missing:
        raise ProblemError(f"piece {missing[0]} of {count} of {whole} is missing")
    return [found[number, count] for number in range(1, count + 1)]


def files(place: Path, whole: str) -> list[Path]:
    """As `names`, of a folder; `whole` itself where there is nothing, or nothing to be used."""
    if (place / whole).is_file():
        return [place / whole]
    try:
        there = [each.name for each in islice(place.iterdir(), _MOST_FILES)]
        return [place / name for name in names(there, whole)] or [place / whole]
    except (OSError, ProblemError):
        return [place / whole]

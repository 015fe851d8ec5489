"""Where an installed extension came from: a file in its folder, so that it goes where that goes."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from webui.extensions.discovery import write as write_json
from webui.files import invisible
from webui.installing.sources import COMMIT

FILE = ".installed.json"  # hidden files are never installed: no extension brings its own
_MOST = 2**20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    kind: str
    source: str
    revision: str  # that was asked for
    commit: str  # "" of a folder
    digest: str  # of names and contents
    version: str
    time: float  # of the installation, Unix seconds
    packages: tuple[str, ...] = ()  # "name==1.0", in a folder of its own


def write(folder: Path, record: Record) -> None:
    """Raises OSError."""
    write_json(folder / FILE, asdict(record))


def read(folder: Path) -> Record | None:
    """None for one that was put there by hand, or whose record is damaged."""
    path = folder / FILE
    try:
        if path.stat().st_size > _MOST:
            return None
        return _checked(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def all_in(place: Path) -> dict[str, Record]:
    """Of the extensions in a folder, by id."""
    try:
        found = sorted(each for each in place.iterdir() if each.name[0] not in "._")
    except OSError:
        return {}
    known = {each.name: read(each) for each in found}
    return {id: record for id, record in known.items() if record is not None}


def _checked(given: Mapping[str, Any]) -> Record:
    values: dict[str, Any] = {each.name: given[each.name] for each in fields(Record)}
    packages = values.pop("packages")
    time = values.pop("time")
    texts = (*values.values(), *packages)
    if not all(isinstance(each, str) and not invisible(each) for each in texts):
        raise TypeError("must be texts")
    if values["commit"] and not COMMIT.fullmatch(values["commit"]):
        raise ValueError("it is handed to git")
    if not math.isfinite(time := float(time)):
        raise ValueError("no time")
    return Record(**values, time=time, packages=tuple(packages))

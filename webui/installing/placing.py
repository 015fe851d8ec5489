"""Where installed extensions lie, and the renames by which one comes, is exchanged, and goes.

    extensions/ID               as discovery finds it
    extensions/.before/ID       what it was before the last update
    extensions/.staging/TOKEN   work that is not done; names with a point are no extensions

All on one disk: whole or not at all. What a crash left between two renames, `recover` sets right.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from webui.errors import NotSaved, WrongState

# ours have a point: beside them lies a folder that is called as an extension wants
_STAGING, _BEFORE, _OLD = ".staging", ".before", ".old"


def workplace(place: Path, token: str) -> Path:
    """A new folder. Raises NotSaved."""
    made = place / _STAGING / token
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise NotSaved(f"{place} cannot be written to: {error.strerror}") from error
    return made


def clear(work: Path) -> None:
    """Nothing is left of it, nor of a folder that is empty now."""
    shutil.rmtree(work, ignore_errors=True)
    for each in (work.parent, work.parent.parent):
        with suppress(OSError):
            each.rmdir()


def all_before(place: Path) -> Path:
    return place / _BEFORE


def before(place: Path, id: str) -> Path:
    return all_before(place) / id


def put(place: Path, work: Path, id: str) -> None:
    """`work`/ID becomes `place`/ID; what is there becomes what was before. Raises OSError."""
    current, new, old = place / id, work / id, work / _OLD / id
    _sync_all(new)
    if not os.path.lexists(current):
        new.rename(current)
        _sync(place)
        return
    old.parent.mkdir()
    current.rename(old)
    try:
        new.rename(current)
    except OSError:
        old.rename(current)
        raise
    _keep(place, work, id)


def roll_back(place: Path, work: Path, id: str) -> None:
    """What is there and what was before change places. Raises WrongState, OSError."""
    if not before(place, id).is_dir():
        raise WrongState(f"{id} has not been updated: there is nothing to go back to")
    before(place, id).rename(work / id)
    try:
        put(place, work, id)
    except OSError:
        (work / id).rename(before(place, id))
        raise


def take_away(place: Path, work: Path, id: str) -> None:
    """With what was before. Raises OSError."""
    (place / id).rename(work / id)
    with suppress(OSError):
        before(place, id).rename(work / f"{id}-before")
    _sync(place)
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):
        (place / _BEFORE).rmdir()


def recover(place: Path) -> None:
    """At the start, before anything looks for extensions."""
    for work in _works(place):
        for old in _folders(work / _OLD):
            with suppress(OSError):
                if os.path.lexists(place / old.name):
                    _keep(place, work, old.name)
                else:
                    old.rename(place / old.name)
        clear(work)
    shutil.rmtree(place / _STAGING, ignore_errors=True)


def _keep(place: Path, work: Path, id: str) -> None:
    """What `work` holds as old is what was before from now on."""
    kept = before(place, id)
    kept.parent.mkdir(exist_ok=True)
    if os.path.lexists(kept):
        kept.rename(work / f"{id}-older")
    (work / _OLD / id).rename(kept)
    _sync(place)


def _works(place: Path) -> Iterator[Path]:
    yield from _folders(place / _STAGING)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError:
        return []


def _sync_all(folder: Path) -> None:
    for place, _, _ in os.walk(folder):
        _sync(Path(place))


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some disks cannot
            os.fsync(handle)
    finally:
        os.close(handle)

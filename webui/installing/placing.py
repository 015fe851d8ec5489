"""Where installed extensions lie, and the renames by which one comes, is exchanged, and goes.

    extensions/ID               as discovery finds it
    extensions/.before/ID       what it was before the last update
    extensions/.staging/TOKEN   work that is not done; names with a point are no extensions
        ID                      what is to come
        .old/ID                 what was at its place until then, and becomes what was before
        .back/ID                what was before, on its way to its place again

All on one disk, by renames alone: whole or not at all. What a crash left between two of them,
`recover` completes where the new one is at its place, and undoes where it is not.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from webui.errors import NotSaved, WrongState

# ours have a point: beside them lies a folder that is called as an extension wants
_STAGING, _BEFORE, _OLD, _BACK = ".staging", ".before", ".old", ".back"
_TRIES = 5  # another's end may take an empty folder away just as it is to be used


def workplace(place: Path, token: str) -> Path:
    """A new folder. Raises NotSaved."""
    made = place / _STAGING / token
    for left in reversed(range(_TRIES)):
        try:
            made.mkdir(parents=True)
            break
        except FileNotFoundError as error:
            if not left:
                raise NotSaved(f"{place} cannot be written to: {error.strerror}") from error
        except OSError as error:
            raise NotSaved(f"{place} cannot be written to: {error.strerror}") from error
    return made


def clear(work: Path) -> None:
    """Nothing is left of it, nor of a folder that is empty now; but for what was put aside and
    could not be put anywhere, which `recover` tries again."""
    if not _aside(work):
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
    _sync_all(work / id)
    if os.path.lexists(place / id):
        _exchange(place, work, id, work / id)
        return
    (work / id).rename(place / id)
    _sync(place)


def roll_back(place: Path, work: Path, id: str) -> None:
    """What is there and what was before change places. Raises WrongState, OSError."""
    kept, back = before(place, id), work / _BACK / id
    if not kept.is_dir():
        raise WrongState(f"{id} has not been updated: there is nothing to go back to")
    back.parent.mkdir()
    kept.rename(back)
    try:
        _exchange(place, work, id, back)
    except OSError:
        if back.exists():
            back.rename(kept)
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
    for work in _folders(place / _STAGING):
        for old in _folders(work / _OLD):
            with suppress(OSError):
                if os.path.lexists(place / old.name):
                    _keep(place, work, old.name)
                else:
                    old.rename(place / old.name)
        for back in _folders(work / _BACK):
            with suppress(OSError):
                all_before(place).mkdir(exist_ok=True)
                back.rename(before(place, back.name))
        clear(work)
    left = {each.name for work in _folders(place / _STAGING) for each in _aside(work)}
    for kept in _folders(all_before(place)):
        if kept.name not in left and not os.path.lexists(place / kept.name):
            shutil.rmtree(kept, ignore_errors=True)  # it was being taken away
    for each in (place / _STAGING, all_before(place)):
        with suppress(OSError):
            each.rmdir()


def _exchange(place: Path, work: Path, id: str, new: Path) -> None:
    current, old = place / id, work / _OLD / id
    old.parent.mkdir()
    current.rename(old)
    try:
        new.rename(current)
    except OSError:
        old.rename(current)
        raise
    try:
        _keep(place, work, id)
    except OSError:
        current.rename(new)
        old.rename(current)
        raise


def _keep(place: Path, work: Path, id: str) -> None:
    """What `work` holds as old is what was before from now on."""
    kept, older = before(place, id), work / f"{id}-older"
    kept.parent.mkdir(exist_ok=True)
    if os.path.lexists(kept):
        kept.rename(older)
    try:
        (work / _OLD / id).rename(kept)
    except OSError:
        if older.exists():
            older.rename(kept)
        raise
    _sync(place)


def _aside(work: Path) -> list[Path]:
    return [*_folders(work / _OLD), *_folders(work / _BACK)]


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

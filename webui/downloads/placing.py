"""The unfinished files of a download, beside where they go, and the one step that puts them there.

They lie in `.downloads/ID/` in the folder of their kind: on the same disk, so that a rename is all
that is left to do, and hidden, so that no list shows them.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from webui.downloads.fetching import WrongFileError, forget
from webui.downloads.looks import Item
from webui.safetensors_header import HeaderError, read
from webui.weight_files import SUFFIX

_PLACE = ".downloads"


def workplace(folder: Path, id: str) -> Path:
    return folder / _PLACE / id


def part_of(place: Path, number: int) -> Path:
    return place / f"{number}.part"


def bytes_there(folder: Path, id: str, count: int) -> int:
    """Of `count` unfinished files."""
    place, total = workplace(folder, id), 0
    for number in range(count):
        with suppress(OSError):
            total += part_of(place, number).stat().st_size
    return total


def check_weights(item: Item, part: Path) -> None:
    """Raises WrongFileError if it should be weights and is none, which then is gone; OSError."""
    if item.target.endswith(SUFFIX):
        try:
            read(part)
        except HeaderError as error:
            forget(part)
            raise WrongFileError(f"{item.name}: {error}; it has been thrown away") from None


def put_file(part: Path, target: Path) -> None:
    """Whole or not at all, over nothing. Raises FileExistsError, OSError."""
    try:
        os.link(part, target)
    except FileExistsError:
        if not target.samefile(part):  # else the program ended between this step and the next
            raise
    except OSError:  # a disk without hard links (FAT, some network shares)
        if target.exists():
            raise FileExistsError(f"{target} is there already") from None
        part.rename(target)
    _sync(target.parent)


def put_folder(place: Path, items: tuple[Item, ...], target: Path) -> None:
    """All of it in one step. Raises FileExistsError, OSError."""
    if _is_that(place, items, target):
        return
    tree = place / "tree"
    shutil.rmtree(tree, ignore_errors=True)  # of a try that was cut off
    for number, item in enumerate(items):
        inside = tree / item.target
        inside.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(part_of(place, number), inside)
        except OSError:
            shutil.copyfile(part_of(place, number), inside)
    for each in (tree, *(inside for inside in tree.rglob("*") if inside.is_dir())):
        _sync(each)
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is there already")
    tree.rename(target)
    _sync(target.parent)


def _is_that(place: Path, items: tuple[Item, ...], target: Path) -> bool:
    """Whether the program ended between the last step and what comes after it."""
    try:
        return all(
            part_of(place, number).samefile(target / item.target)
            for number, item in enumerate(items)
        )
    except OSError:
        return False


def clear(folder: Path, id: str) -> None:
    """Nothing is left of it."""
    place = workplace(folder, id)
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):
        place.parent.rmdir()  # unless others are in it


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some disks cannot
                os.fsync(handle)
        finally:
            os.close(handle)

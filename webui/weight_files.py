"""Files of weights in people's folders: which there are, and which of them may be read at all.

Whatever lies there may have come from anywhere. Knows nothing of what the weights are for.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from webui.safetensors_header import HeaderError

SUFFIX = ".safetensors"
PICKLES = (".pt", ".bin", ".ckpt", ".pth", ".pkl")


def listed(folder: Path, suffixes: Sequence[str], most: int) -> Iterator[Path]:
    """The first `most` files that end so, also in folders of the folder; hidden ones are left out,
    and links to folders are not followed."""
    walk = os.walk(folder, followlinks=False)
    found = (
        Path(place) / name
        for place, folders, names in walk
        for name in _seen(folders, names, tuple(suffixes))
    )
    yield from islice(found, most)


def status(folder: Path, path: Path, whose: str, page: str) -> os.stat_result:
    """Of a file under `folder`, the folder of `whose` files; `page` tells how to convert pickles.

    Raises HeaderError for a pickle, a link that leads out and what is no plain file; OSError.
    """
    refuse_pickle(path, page)
    if path.is_symlink() and not _leads_inside(folder, path):
        raise HeaderError(f"it is a link that leads out of the {whose}' folder")
    return plain(path)


def refuse_pickle(path: Path, page: str) -> None:
    """`page` tells how to convert one. Raises HeaderError."""
    suffix = path.suffix.casefold()
    if suffix in PICKLES:
        raise HeaderError(
            f"{suffix} files are pickles, which can run code, so they are not read; "
            f"{page} shows how to convert it to safetensors"
        )


def plain(path: Path) -> os.stat_result:
    """Raises HeaderError for what is no file, FileNotFoundError and other OSErrors."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise HeaderError("it is not a file")
    return found


def _seen(folders: list[str], names: list[str], suffixes: tuple[str, ...]) -> list[str]:
    """The files to be listed, sorted; hidden folders are not entered."""
    folders[:] = sorted(name for name in folders if not name.startswith("."))
    return sorted(
        name for name in names if name.casefold().endswith(suffixes) and not name.startswith(".")
    )


def _leads_inside(folder: Path, link: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return False

"""Main memory: how much there is and how much can be had, within the limits of a container.

psutil tells what the computer has; Linux' control groups say how much of it this process may take.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_UNLIMITED = 2**60  # version 1 writes a number like this for "no limit"


def total(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Bytes."""
    limits = [limit for limit, _ in _limits(groups, own)]
    return min([int(psutil.virtual_memory().total), *limits])


def available(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Bytes that can be had now; what only repeats files counts, as it is given back when asked."""
    left = [max(0, limit - used) for limit, used in _limits(groups, own)]
    return min([int(psutil.virtual_memory().available), *left])


def _limits(groups: Path, own: Path) -> Iterator[tuple[int, int]]:
    """(limit, what is taken of it) of each group that this process is in."""
    for place, limit, used, files in _places(groups, own):
        try:
            most = (place / limit).read_text().strip()
            if not most.isdigit() or int(most) >= _UNLIMITED:
                continue
            kept = {name: size for name, _, size in map(_words, _lines(place / "memory.stat"))}
            taken = int((place / used).read_text()) - sum(int(kept.get(each, 0)) for each in files)
        except (OSError, ValueError):
            continue
        yield int(most), max(0, taken)


def _places(groups: Path, own: Path) -> Iterator[tuple[Path, str, str, tuple[str, ...]]]:
    """(folder, its file of the limit, of the use, what of memory.stat can be given back)."""
    try:
        lines = _lines(own)
    except OSError:
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:  # version 2
            root, names = groups, ("memory.max", "memory.current")
            files: tuple[str, ...] = ("inactive_file", "active_file")
        elif "memory" in controllers.split(","):
            root, names = groups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
            files = ("total_inactive_file", "total_active_file")
        else:
            continue
        inside = root / path.strip("/")
        # in a container the path may be the host's, of which only the root is seen
        for place in (inside, *inside.parents):
            if place.is_relative_to(root):
                yield place, *names, files


def _words(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()

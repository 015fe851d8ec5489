"""The folder of all kept runs, and what of it may stay."""

import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


class Trajectories:
    """The folder of all kept runs, under a quota."""

    def __init__(self, root: Path, quota: int) -> None:
        """`quota` in bytes; 0 keeps nothing once a run has ended."""
        self._root = root
        self._quota = quota

    def folder(self, job_id: str) -> Path:
        """Where a job's files are. `job_id` is one of ours: letters, digits, - and _."""
        return self._root / job_id

    def sweep(self, needed: Collection[str] = ()) -> list[str]:
        """Removes the oldest runs until the rest fits the quota; call it while nothing runs.

        Those of the jobs in `needed` stay: a branch goes on from them. Returns the ids of the jobs
        that were removed. What is no folder is none of ours and stays, and what cannot be looked at
        or removed keeps no other from it. Raises OSError if the whole cannot be listed.
        """
        if not self._root.is_dir():
            return []
        runs = []
        for folder in self._root.iterdir():
            with suppress(OSError):
                status = folder.lstat()
                if stat.S_ISDIR(status.st_mode) and folder.name not in needed:
                    runs.append((status.st_mtime_ns, folder, _size(folder)))
        total = sum(size for _, _, size in runs)
        removed = []
        for _, folder, size in sorted(runs):
            if total <= self._quota and self._quota > 0:
                break
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                total -= size
                removed.append(folder.name)
        return removed


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):  # extensions have folders of their own in it
        with suppress(OSError):
            size += path.lstat().st_size
    return size

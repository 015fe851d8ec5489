"""The data folder as a place: one server at a time, which says where it is; a bounded temp folder.

Knows nothing of what the others keep in it.
"""

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from webui.errors import StartError

VERSION = 1  # of the folder's layout; the job store has its own
TEMP_SECONDS = 24 * 3600.0


class Lock:
    """Holds the data folder until `release`, or until the process ends, however it does."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder. Raises StartError if it is taken, or was made by a newer program."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / "lock").open("a+b")
        except OSError as error:
            raise StartError(f"the data folder {folder} cannot be used: {error}") from error
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise StartError(
                f"another server uses the data folder {folder}; "
                "stop it, or give this one another --data-dir"
            ) from None
        try:
            _check_version(folder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Note:
    """Where the server of a data folder can be reached; it may have died since."""

    address: str  # "http://127.0.0.1:7860"
    server: str  # the id of its start, as /api/v1/health says it
    outputs: str = ""  # the folder of its pictures


def leave_note(folder: Path, note: Note) -> None:
    """For programs that look for the server. What cannot be written is left out."""
    with suppress(OSError):
        part = folder / "server.json.part"
        part.write_text(json.dumps(asdict(note)), "utf-8")
        part.replace(folder / "server.json")


def find_note(folder: Path) -> Note | None:
    """None where there is none, or one that somebody else has put there.

    Passwords are sent to the address, so it is not taken from just anybody.
    """
    path = folder / "server.json"
    try:
        if hasattr(os, "getuid") and path.lstat().st_uid not in (os.getuid(), 0):
            return None
        values = json.loads(path.read_text("utf-8"))
        said = [values["address"], values["server"], values.get("outputs", "")]
        return Note(*map(str, said))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def is_held(folder: Path) -> bool:
    """Whether a server has the folder. A note of one that was killed is older than the truth, and
    its port may be anybody's by now."""
    try:
        with (folder / "lock").open("rb") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def take_note_away(folder: Path) -> None:
    with suppress(OSError):
        (folder / "server.json").unlink(missing_ok=True)


def sweep(folder: Path, max_bytes: int, max_age: float = TEMP_SECONDS) -> None:
    """Deletes files older than `max_age` seconds, then the oldest until `max_bytes` are left.

    So go the folders that this leaves empty, and empty ones of that age. What cannot be deleted (on
    Windows: what is in use) stays.
    """
    files, oldest = [], time.time() - max_age
    for place, _, names in os.walk(
        folder, topdown=False
    ):  # it passes over what goes away meanwhile
        with suppress(OSError):
            if Path(place) != folder and Path(place).lstat().st_mtime < oldest:
                Path(place).rmdir()
        for path in (Path(place, name) for name in names):
            with suppress(OSError):
                status = path.lstat()
                files.append((status.st_mtime, status.st_size, path))
    used = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if modified >= oldest and used <= max_bytes:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            used -= size
            if path.parent != folder:
                path.parent.rmdir()  # only ever an empty one


def _check_version(folder: Path) -> None:
    path = folder / "version"
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""
        if not text:  # also what a crash or a full disk left of the first start
            path.write_text(f"{VERSION}\n", encoding="utf-8")
            return
    except OSError as error:
        raise StartError(f"{path} cannot be read or written: {error}") from error
    if not text.isdecimal() or int(text) > VERSION:
        raise StartError(
            f"the data folder {folder} has version {text[:20]!r}, this program knows version "
            f"{VERSION}; start the newer program, or give another --data-dir"
        )


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        # flock goes with the open file: a child that inherited it would hold it on, so it must not
        os.set_inheritable(file.fileno(), False)
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

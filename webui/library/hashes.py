"""sha256 of model files: slow the first time, so kept on disk, and made ahead in the background."""

import hashlib
import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from webui.files import stamp
from webui.small_files import SmallFileError, json_object

_CHUNK = 8 * 2**20  # bytes
_MOST_KEPT = 64 * 2**20  # bytes of the file that keeps them


class Hashes:
    """Any thread may call. `kept` is a file to remember them in, if there is to be one."""

    def __init__(self, kept: Path | None = None) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._known: dict[str, str] = _read(kept) if kept else {}
        self._ahead: threading.Thread | None = None
        self._left: list[Path] = []

    def known(self, path: Path) -> str:
        """ "" if it has not been made of the file as it is now. Raises OSError."""
        path.stat()
        return self._known.get(_key(path), "")

    def hash(self, path: Path) -> str:
        """Raises OSError."""
        key = _key(path)
        if key not in self._known:
            with path.open("rb") as file:
                made = hashlib.file_digest(file, "sha256").hexdigest()
            self._keep(key, made)
        return self._known[key]

    def ahead(self, paths: Iterable[Path]) -> None:
        """Makes those that are not known, one after the other, at half of the disk's speed."""
        with self._lock:
            self._left = [path for path in paths if _key(path) not in self._known]
            if self._left and (self._ahead is None or not self._ahead.is_alive()):
                self._ahead = threading.Thread(target=self._work, name="hashes", daemon=True)
                self._ahead.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._left:
                    self._ahead = None
                    return
                path = self._left.pop(0)
            try:
                key = _key(path)
                self._keep(key, _gently(path))
            except OSError:
                continue  # it went away, or nobody may read it

    def _keep(self, key: str, made: str) -> None:
        with self._lock:
            self._known[key] = made
            if self._kept is None:
                return
            part = self._kept.with_suffix(".part")
            try:  # what cannot be kept is made again
                part.write_text(json.dumps(self._known), "utf-8")
                part.replace(self._kept)
            except OSError:
                self._kept = None


def _key(path: Path) -> str:
    changed, size = stamp(path)
    # a name that is no text would not come back from the file
    return f"{str(path).encode('utf-8', 'backslashreplace').decode()}\n{size}\n{changed}"


def _gently(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            began = time.monotonic()
            chunk = file.read(_CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
            time.sleep(time.monotonic() - began)


def _read(kept: Path) -> dict[str, str]:
    try:
        found = json_object(kept, _MOST_KEPT)
    except (OSError, SmallFileError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}

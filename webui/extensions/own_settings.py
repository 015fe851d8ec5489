"""What is set once for an extension and stays: a small file for each, in the data folder.

A file that cannot be read is laid aside, and a value that cannot be is left at its default.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from webui.errors import InvalidRequest, NotSaved
from webui.extensions.discovery import write
from webui.fields import FormField
from webui.interfaces.server_hooks import Owned, SettingsPage

FOLDER = "extension-settings"
_MOST = 2**20  # bytes of a file


class OwnSettings:
    """Any thread may call."""

    def __init__(
        self, data_dir: Path | None = None, registered: Sequence[Owned[SettingsPage]] = ()
    ) -> None:
        """Without a folder nothing can be changed."""
        self._folder = data_dir / FOLDER if data_dir else None
        self._pages: dict[str, list[SettingsPage]] = {}
        for owned in registered:
            self._pages.setdefault(owned.owner, []).append(owned.value)
        self._lock = threading.Lock()

    def pages(self, id: str) -> Sequence[SettingsPage]:
        """() for an extension that has none."""
        return self._pages.get(id, ())

    def values(self, id: str) -> dict[str, Any]:
        """All of them, by name."""
        given, made = self._read(id) if id in self._pages else {}, {}
        for field in self._fields(id):
            made[field.name] = field.default
            with suppress(InvalidRequest):
                field.check(given.get(field.name, field.default))
                made[field.name] = given.get(field.name, field.default)
        return made

    def change(self, id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """All of them, with these. Raises InvalidRequest for an extension or a setting that is not
        there and for what a setting cannot be; NotSaved."""
        if id not in self._pages:
            known = ", ".join(self._pages) or "none"
            raise InvalidRequest("id", f"{id[:80]!r} has no settings; those with some: {known}")
        fields = {each.name: each for each in self._fields(id)}
        for name, value in changes.items():
            if name not in fields:
                known = ", ".join(fields)
                raise InvalidRequest(str(name)[:80], f"is not a setting; known are {known}")
            fields[name].check(value)
        with self._lock:
            made = {**self.values(id), **changes}
            if self._folder is None:
                raise NotSaved("there is no folder for settings")
            try:
                write(self._folder / f"{id}.json", made)
            except OSError as error:
                raise NotSaved(f"{self._folder} cannot be written to: {error}") from error
        return made

    def _fields(self, id: str) -> list[FormField]:
        return [field for page in self.pages(id) for field in page.fields]

    def _read(self, id: str) -> Mapping[str, Any]:
        if self._folder is None:
            return {}
        path = self._folder / f"{id}.json"
        try:
            if path.stat().st_size > _MOST:
                raise ValueError("is too large")
            given = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(given, dict):
                raise ValueError("must be an object")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.bad-{time.time_ns()}"))
            return {}
        return given


def forget_settings(data_dir: Path, id: str) -> None:
    """What was set for it: another extension of that name is not to be given it. Raises OSError."""
    folder = data_dir / FOLDER
    for each in (folder / f"{id}.json", *folder.glob(f"{id}.json.*")):
        each.unlink(missing_ok=True)

"""Downloads as values, and each one's file in the data folder, so that they outlive the server.

The address of a file may hold what opens it to its owner alone: the files are for nobody else.
"""

import json
import logging
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

from webui.downloads.hub import Licence
from webui.downloads.kinds import KINDS
from webui.downloads.looks import Item, Look
from webui.downloads.names import problem_of
from webui.small_files import json_object

State = Literal["waiting", "running", "paused", "failed", "done"]
_MOST_FILE = 4 * 2**20  # bytes
_ID = re.compile(r"[0-9a-f]{16}")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    id: str
    created: float  # seconds since 1970
    source: str  # for people
    hub_id: str = ""
    revision: str = ""
    page: str = ""
    licence: Licence
    kind: str
    folder: Path
    target: str
    whole_folder: bool
    items: tuple[Item, ...]
    state: State = "waiting"
    error: str = ""  # why it failed, or what is in its way just now
    finished: float | None = None
    done_bytes: int = 0  # as far as is known without looking at the disk
    bytes_per_second: float = 0.0

    @property
    def size_bytes(self) -> int:
        return sum(each.size for each in self.items)

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


def of_look(found: Look, id: str, now: float) -> Download:
    """Of a look without problems."""
    assert found.folder is not None and not found.problems
    return Download(
        id=id, created=now, source=found.source, hub_id=found.id, revision=found.revision,
        page=found.page, licence=found.licence, kind=found.kind, folder=found.folder,
        target=found.target, whole_folder=found.whole_folder, items=found.items,
    )  # fmt: skip


class Records:
    """One file for each, replaced in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Download]:
        """The oldest first. What cannot be read is put aside."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(_read(path))
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                _logger.warning("the download %s cannot be read: %s", path, error)
                try:
                    path.replace(path.with_suffix(".bad"))
                except OSError:
                    continue
        return sorted(found, key=lambda each: each.created)

    def write(self, download: Download) -> None:
        """Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        said = asdict(download)
        said["folder"] = str(download.folder)
        said["bytes_per_second"] = 0.0
        part = self._folder / f".{download.id}.part"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / f"{download.id}.json")

    def remove(self, id: str) -> None:
        (self._folder / f"{id}.json").unlink(missing_ok=True)


def _read(path: Path) -> Download:
    """Raises ValueError and its like: what is in it may have been written by another version."""
    said = json_object(path, _MOST_FILE)
    known = {each.name for each in fields(Download)}
    if not said.keys() <= known or said["id"] != path.stem or not _ID.fullmatch(path.stem):
        raise ValueError("it is no download of this version")
    items = tuple(Item(**each) for each in said.pop("items"))
    made = Download(
        **{
            **said,
            "items": items,
            "licence": Licence(**said["licence"]),
            "folder": Path(said["folder"]),
        }
    )
    names = [made.target, *(each.target for each in items)]
    if made.kind not in KINDS or "/" in made.target or any(map(problem_of, names)) or not items:
        raise ValueError("it would lead out of its folder")
    return replace(made, state="waiting") if made.state == "running" else made

"""All downloads, as they stand: in memory, and each on the disk before it counts.

Every method but `all` and `get` is for who holds `changed`, which is notified by who wants it seen.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from webui.downloads import placing
from webui.downloads.records import Download, Records, State
from webui.errors import DownloadNotFound, NotSaved, WrongState

_MOST_DONE = 50  # that are remembered
_logger = logging.getLogger(__name__)


class Table:
    def __init__(self, records: Records) -> None:
        self.changed = threading.Condition()
        self._records = records
        self._all = {each.id: _as_left(each) for each in records.read()}

    def all(self) -> list[Download]:
        """The newest last."""
        with self.changed:
            return list(self._all.values())

    def get(self, id: str) -> Download:
        """Raises DownloadNotFound."""
        with self.changed:
            if id not in self._all:
                raise DownloadNotFound("there is no such download")
            return self._all[id]

    def has(self, id: str) -> bool:
        return id in self._all

    def need(self, id: str, states: Sequence[State], wanted: str) -> Download:
        """Raises DownloadNotFound, WrongState."""
        found = self.get(id)
        if found.state not in states:
            raise WrongState(f"the download is {found.state}, so it cannot be {wanted}")
        return found

    def keep(self, download: Download) -> None:
        """Raises NotSaved."""
        try:
            self._records.write(download)
        except OSError as error:
            text = f"the download's state could not be written: {error.strerror or error}"
            raise NotSaved(text) from error
        self._all[download.id] = download

    def keep_if_possible(self, download: Download) -> None:
        """A disk that takes no state any more must not end the thread."""
        try:
            self.keep(download)
        except NotSaved as error:
            _logger.warning("%s", error)
            self._all[download.id] = download

    def show(self, id: str, **changes: Any) -> None:
        """In memory alone; nothing if it is gone."""
        if id in self._all:
            self._all[id] = replace(self._all[id], **changes)

    def remove(self, id: str) -> None:
        del self._all[id]
        self._records.remove(id)

    def forget_old(self) -> None:
        done = [each.id for each in self._all.values() if each.state == "done"]
        for id in done[:-_MOST_DONE]:
            self.remove(id)

    def next(self) -> Download | None:
        """The one that has waited longest."""
        return next((each for each in self._all.values() if each.state == "waiting"), None)


def _as_left(download: Download) -> Download:
    """By the last run of the server."""
    if download.state == "done":
        return download
    there = placing.bytes_there(download.folder, download.id, len(download.items))
    return replace(download, done_bytes=there)

"""The line of downloads, as the page and the API see it: one at a time, in the order they came.

Nothing is fetched that nobody asked for. What was asked for goes on after a restart of the server.
"""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from webui.downloads import placing
from webui.downloads.looks import Look, Wish, look
from webui.downloads.records import Download, Records, State, of_look
from webui.downloads.sockets import Check, WebError
from webui.downloads.table import Table
from webui.downloads.web import Access, Web
from webui.downloads.worker import Worker
from webui.errors import DownloadFailed, InvalidRequest, NotAllowed

_MOST_OPEN = 100
_LOOKING = 45.0  # seconds
_LOOKS = 4  # at once
_RESUMED: tuple[State, ...] = ("paused", "failed", "waiting", "running")
_PAUSES = (1.0, 3.0, 10.0, 30.0)  # seconds


class Downloads:
    """Any thread may call."""

    def __init__(
        self,
        models_dir: Path,
        records: Path,
        access: Access,
        *,
        forbidden: str = "",
        arrived: Callable[[], None] = lambda: None,
        open_web: Callable[[Access, Check], Web] = Web,
        pauses: Sequence[float] = _PAUSES,
    ) -> None:
        """`records` is a folder for what has to outlive the server; `forbidden`: why nothing may be
        fetched; `arrived` is called when a file is in its place."""
        self.models_dir = models_dir
        self.access = access
        self.forbidden = forbidden
        self._open_web = open_web
        self._looking = threading.BoundedSemaphore(_LOOKS)
        self._table = Table(Records(records))
        self._worker = Worker(self._table, lambda check: open_web(access, check), arrived, pauses)
        self._go()

    def look(self, wish: Wish) -> Look:
        """What would be fetched. Raises NotAllowed, InvalidRequest, DownloadFailed."""
        self._check_allowed()
        if not self._looking.acquire(blocking=False):
            raise DownloadFailed("other models are being looked at; try again in a moment")
        until = time.monotonic() + _LOOKING

        def check() -> None:
            if time.monotonic() > until:
                raise WebError("it takes too long to answer; try again later")

        try:
            with self._open_web(self.access, check) as web:
                return look(web, wish, self.models_dir)
        except WebError as error:
            raise DownloadFailed(str(error)) from error
        finally:
            self._looking.release()

    def add(self, wish: Wish) -> Download:
        """Looks once more, and puts it at the line's end. Raises as `look`, and NotSaved."""
        found = self.look(wish)
        if found.problems:
            raise InvalidRequest(*found.problems[0])
        made = of_look(found, secrets.token_hex(8), time.time())
        with self._table.changed:
            there = self._table.all()
            if any(each.state != "done" and _place(each) == _place(made) for each in there):
                raise InvalidRequest("name", f"{made.target} is being downloaded already")
            if sum(each.is_open for each in there) >= _MOST_OPEN:
                raise InvalidRequest("source", f"{_MOST_OPEN} downloads are waiting already")
            self._table.keep(made)
            self._table.forget_old()
            self._go()
        return made

    def all(self) -> list[Download]:
        """The newest last."""
        return self._table.all()

    def get(self, id: str) -> Download:
        """Raises DownloadNotFound."""
        return self._table.get(id)

    def pause(self, id: str) -> Download:
        """What is there stays for later. Raises DownloadNotFound, WrongState, NotSaved."""
        with self._table.changed:
            found = self._table.need(id, ("waiting", "running", "paused"), "paused")
            self._table.keep(replace(found, state="paused", error="", bytes_per_second=0.0))
            self._worker.stop(id)
            return self._table.get(id)

    def resume(self, id: str) -> Download:
        """Goes on where it is. Raises NotAllowed, DownloadNotFound, WrongState, NotSaved."""
        self._check_allowed()
        with self._table.changed:
            found = self._table.need(id, _RESUMED, "resumed")
            if not found.is_open:
                self._table.keep(replace(found, state="waiting", error=""))
                self._go()
            return self._table.get(id)

    def remove(self, id: str) -> None:
        """Ends it, and nothing of it stays; one that is done is only forgotten.

        Raises DownloadNotFound.
        """
        with self._table.changed:
            removed = self._table.get(id)
            self._table.remove(id)
            if not self._worker.stop(id) and removed.state != "done":
                placing.clear(removed.folder, id)

    def close(self) -> None:
        """What is under way goes on at the next start."""
        self._worker.close()

    def _check_allowed(self) -> None:
        if self.forbidden:
            raise NotAllowed(self.forbidden)

    def _go(self) -> None:
        with self._table.changed:
            if not self.forbidden and self._table.next() is not None:
                self._worker.go()


def _place(download: Download) -> tuple[Path, str]:
    return download.folder, download.target.casefold()

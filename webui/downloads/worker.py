"""The thread that fetches: one download at a time, tried again while that may help."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from webui.downloads import placing
from webui.downloads.fetching import WrongFileError
from webui.downloads.records import Download
from webui.downloads.sockets import Check, WebError
from webui.downloads.table import Table
from webui.downloads.web import Web
from webui.downloads.work import worked

_MEASURED = 0.2  # seconds, at least
_EVEN = 0.1  # how much the newest measurement counts for the speed
_PATIENCE = 5.0  # seconds that the thread has to end
_logger = logging.getLogger(__name__)


class StoppedError(Exception):
    """Somebody wants it to end."""


class Worker:
    def __init__(
        self,
        table: Table,
        open_web: Callable[[Check], Web],
        arrived: Callable[[], None],
        pauses: Sequence[float],
    ) -> None:
        """`pauses`: seconds before another try without a new byte; after the last it has failed."""
        self._table = table
        self._open_web = open_web
        self._arrived = arrived
        self._pauses = pauses
        self._running = ""  # its id
        self._stop = threading.Event()  # the running one is to end
        self._closing = False
        self._thread: threading.Thread | None = None

    def go(self) -> None:
        """Something waits; by who holds the table."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="downloads", daemon=True)
            self._thread.start()
        self._table.changed.notify_all()

    def stop(self, id: str) -> bool:
        """Whether it was running, and is going to end and clear up; by who holds the table."""
        if self._running == id:
            self._stop.set()
        return self._running == id

    def close(self) -> None:
        with self._table.changed:
            self._closing = True
            self._stop.set()
            self._table.changed.notify_all()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (download := self._next()) is not None:
            with self._told(download):
                self._try(download)

    def _next(self) -> Download | None:
        """The one whose turn it is, running now; None at the end."""
        with self._table.changed:
            while not self._closing:
                if (download := self._table.next()) is not None:
                    self._running = download.id
                    self._stop.clear()
                    self._table.show(download.id, state="running", error="")
                    return self._table.get(download.id)
                self._table.changed.wait()
            return None

    @contextmanager
    def _told(self, download: Download) -> Iterator[None]:
        """What comes out of it is its state, and the next one's turn comes."""
        failed = ""
        try:
            yield
        except StoppedError:
            pass
        except (WebError, WrongFileError) as error:
            failed = str(error)
        except FileExistsError:
            failed = f"{download.target} is in {download.folder.name}/ by now"
        except OSError as error:
            failed = f"{download.folder} cannot be written to: {error.strerror or error}"
        except Exception as error:  # so that the others are fetched
            _logger.error("a download failed", exc_info=error)
            failed = "something in the server went wrong; the log file says what"
        with self._table.changed:
            self._running = ""
            if not self._table.has(download.id):
                placing.clear(download.folder, download.id)
                return
            now = self._table.get(download.id)
            if now.state == "running" and failed:
                _logger.warning("download of %s: %s", download.source, failed)
                there = placing.bytes_there(download.folder, download.id, len(download.items))
                if not there:
                    placing.clear(download.folder, download.id)
                now = replace(now, state="failed", error=failed, done_bytes=there)
                self._table.keep_if_possible(replace(now, bytes_per_second=0.0))

    def _try(self, download: Download) -> None:
        """Until it is there, or there is no sense in trying any more."""
        tries, furthest = 0, download.done_bytes
        while True:
            done = furthest
            try:
                with self._open_web(self._check) as web:
                    for done in self._timed(worked(web, download, self._check), download.id):
                        tries = 0 if done > furthest else tries
                        furthest = max(done, furthest)
                break
            except WebError as error:
                if not error.again or tries >= len(self._pauses):
                    raise
                self._wait(self._pauses[tries], download.id, str(error))
                tries += 1
        with self._table.changed:
            if self._table.has(download.id):
                now = replace(self._table.get(download.id), state="done", error="")
                now = replace(now, done_bytes=now.size_bytes, bytes_per_second=0.0)
                self._table.keep_if_possible(replace(now, finished=time.time()))
        _logger.info("download of %s: %s is there", download.source, download.target)
        self._arrived()

    def _timed(self, steps: Iterator[int], id: str) -> Iterator[int]:
        """The same; the table is told how far it is, and how fast."""
        speed, last, since = 0.0, 0, time.monotonic()
        for number, done in enumerate(steps):
            passed = time.monotonic() - since
            if number < 2:  # until then there was a connection to be made
                last, since = done, time.monotonic()
            elif passed >= _MEASURED:
                newest = max(0, done - last) / passed
                speed = newest if not speed else speed + _EVEN * (newest - speed)
                last, since = done, time.monotonic()
            with self._table.changed:
                self._table.show(id, done_bytes=done, bytes_per_second=speed, error="")
            yield done

    def _wait(self, seconds: float, id: str, reason: str) -> None:
        with self._table.changed:
            self._table.show(id, error=reason, bytes_per_second=0.0)
        if self._stop.wait(seconds):
            raise StoppedError

    def _check(self) -> None:
        if self._stop.is_set():
            raise StoppedError

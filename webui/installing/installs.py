"""Installing as the page and the API see it: looked at, agreed to, put in its place.

One at a time works; nothing changes before somebody agrees, and what fails leaves no trace. What is
put in its place is loaded at the next start.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from webui.errors import (
    DarkroomError,
    InstallNotFound,
    InvalidRequest,
    NotAllowed,
    NotSaved,
    WrongState,
)
from webui.extensions import Choices, Trials, forget_settings, installed, trials_file
from webui.installing import placing, records, sources
from webui.installing.errors import EndedError, InstallError
from webui.installing.index import Index
from webui.installing.install import Install
from webui.installing.looks import Tools
from webui.installing.records import Record
from webui.installing.sources import Source

_MOST_OPEN = 4
_TURN = 5.0  # seconds that a request waits for what is under way
_MOST = 20  # that are remembered
_PATIENCE = 5.0  # seconds that what works has to end
_logger = logging.getLogger(__name__)


class Installs:
    """Any thread may call."""

    def __init__(
        self,
        data_dir: Path,
        tools: Tools,
        index: Index,
        *,
        allowed: Sequence[str],
        forbidden: str = "",
    ) -> None:
        """`allowed`: kinds of sources; `forbidden`: why nothing may be installed."""
        self.place = installed(data_dir)
        self.allowed = tuple(allowed)
        self.forbidden = forbidden
        self.tools = tools
        self.index = index
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._working = threading.Lock()  # one at a time
        self._all: dict[str, Install] = {}
        self._works: dict[str, Path] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: set[str] = set()
        self.at_start = self.records()

    def all(self) -> list[Install]:
        """The newest last."""
        with self._lock:
            return list(self._all.values())

    def get(self, id: str) -> Install:
        """Raises InstallNotFound."""
        with self._lock:
            return self._known(id)

    def records(self) -> Mapping[str, Record]:
        """Of what is installed now, by id; what lies there by hand has none."""
        return records.all_in(self.place)

    def before(self) -> Mapping[str, Record]:
        """Of what one can go back to."""
        return records.all_in(placing.all_before(self.place))

    def begin(self, source: str, revision: str = "", update: str = "") -> Install:
        """Looks at what is there, or at what is new of an extension. Raises NotAllowed,
        InvalidRequest, NotSaved."""
        self._check_allowed()
        wanted = self._newer(update, revision) if update else None
        wanted = wanted or sources.read(source, revision, self.allowed)
        made = Install(secrets.token_hex(8), wanted, update, time.time())
        with self._lock:
            pushed_out = self._make_room()
            work = placing.workplace(self.place, made.id)
            self._all[made.id], self._works[made.id] = made, work
            self._start(made.id, self._look)
        for each in pushed_out:
            self._clear(each)
        return made

    def confirm(self, id: str, packages: bool) -> Install:
        """Installs what was looked at; `packages`: its Python packages may be fetched.

        Raises NotAllowed, InstallNotFound, WrongState, InvalidRequest.
        """
        self._check_allowed()
        with self._lock:
            found = self._known(id)
            if found.state != "seen" or found.look is None:
                raise WrongState(f"this one is {found.state}; only what was seen is installed")
            if found.look.problem:
                raise WrongState(f"it cannot be installed: {found.look.problem}")
            if found.look.packages and not packages:
                names = ", ".join(each.pinned for each in found.look.packages)
                raise InvalidRequest(
                    "packages", f"it needs {names}; send true to agree to fetching them"
                )
            self._all[id] = replace(found, state="installing", stage="waiting", bytes=0)
            self._start(id, self._put)
            return self._all[id]

    def end(self, id: str) -> None:
        """Nothing of it stays but what is done. Raises InstallNotFound."""
        with self._lock:
            self._known(id)
            del self._all[id]
            self._ended.add(id)
            works = id in self._threads
        if not works:  # else what works clears up
            self._clear(id)

    def close(self) -> None:
        with self._lock:
            self._ended |= set(self._all)
            threads, ids = list(self._threads.values()), list(self._works)
        for thread in threads:
            thread.join(_PATIENCE)
        for id in ids:
            self._clear(id)

    def roll_back(self, extension: str) -> None:
        """To what it was before the last update, and once more forth again. Raises NotAllowed,
        InvalidRequest, WrongState, NotSaved."""
        self._change(extension, placing.roll_back, gone=False)

    def remove(self, extension: str) -> None:
        """With its packages and settings; its own folder of files stays. Raises as `roll_back`."""
        self._change(extension, placing.take_away, gone=True)

    def _change(
        self, extension: str, change: Callable[[Path, Path, str], None], *, gone: bool
    ) -> None:
        self._check_allowed()
        self._record(extension)
        if not self._working.acquire(timeout=_TURN):  # a request's thread is not to wait for long
            raise WrongState("something else is being installed; try again when it is done")
        work = self.place
        try:
            work = placing.workplace(self.place, secrets.token_hex(8))
            change(self.place, work, extension)
            self._try_anew(extension, turn_on=gone)  # if it comes again
            if gone:
                forget_settings(self._data_dir, extension)
        except OSError as error:
            raise NotSaved(f"{self.place} cannot be written to: {error.strerror}") from error
        finally:
            if work != self.place:
                placing.clear(work)
            self._working.release()

    def _record(self, extension: str) -> Record:
        found = self.records()
        if extension not in found:
            there = f"there are {', '.join(found)}" if found else "none is"
            raise InvalidRequest(
                "extension", f"{extension[:80]!r} was not installed from here; {there}"
            )
        return found[extension]

    def _try_anew(self, extension: str, *, turn_on: bool) -> None:
        """At the next start. Raises OSError."""
        if turn_on:
            Choices(self._data_dir).turn(extension, on=True)
        for part in ("server", "engine"):
            Trials(part, trials_file(self._data_dir, part)).forget(extension)

    def _newer(self, update: str, revision: str) -> Source:
        record = self._record(update)
        return sources.read(record.source, revision or record.revision, self.allowed)

    def _look(self, id: str) -> Install:
        found = self.get(id)
        look = self.tools.look(
            found.source, found.update, self._works[id], lambda stage: self._told(id, stage)
        )
        return replace(found, state="seen", stage="", look=look)

    def _put(self, id: str) -> Install:
        found = self.get(id)
        look, work = found.look, self._works[id]
        assert look is not None
        name = look.manifest.id
        if look.packages:
            told = self._told(id, "packages")
            self.tools.pip.install(look.packages, work / name, work, told)
        record = look.record()
        records.write(work / name, record)
        self._told(id, "placing")(0)
        self._check_unchanged(found, name)
        placing.put(self.place, work, name)
        self._try_anew(name, turn_on=not found.update)
        _logger.info("extension %s %s installed from %s", name, record.version, record.source)
        return replace(found, state="done", stage="")

    def _check_unchanged(self, found: Install, name: str) -> None:
        """Another may have come or gone since the look."""
        assert found.look is not None
        there = records.read(self.place / name)
        if bool(found.update) != (self.place / name).exists() or there != found.look.replaced:
            raise InstallError(f"{name!r} has changed meanwhile; look again", "extension")

    def _start(self, id: str, work: Callable[[str], Install]) -> None:
        """By who holds the lock."""
        thread = threading.Thread(target=self._work, args=(id, work), name="install", daemon=True)
        self._threads[id] = thread
        thread.start()

    def _work(self, id: str, work: Callable[[str], Install]) -> None:
        """What comes of it is shown when all that it left is gone."""
        made: Install | None = None
        error, field = "", ""
        try:
            with self._working:
                self._told(id, "waiting")(0)
                made = work(id)
        except (EndedError, InstallNotFound):
            pass
        except InstallError as problem:
            error, field = str(problem), problem.field
        except DarkroomError as problem:
            error = str(problem)
        except OSError as problem:
            error = f"{self.place} cannot be written to: {problem.strerror or problem}"
        except Exception as problem:  # the person waits for a word
            _logger.error("an installation failed", exc_info=problem)
            error = "something in the server went wrong; the log file says what"
        if made is None or made.state != "seen":
            self._clear(id)
        with self._lock:
            del self._threads[id]
            if there := id in self._all:
                failed = replace(self._all[id], state="failed", stage="", error=error, field=field)
                self._all[id] = made or failed
        if not there:
            self._clear(id)

    def _told(self, id: str, stage: str) -> Callable[[int], None]:
        def told(count: int) -> None:
            with self._lock:
                if id in self._ended or id not in self._all:
                    raise EndedError
                self._all[id] = replace(self._all[id], stage=stage, bytes=count)

        return told

    def _known(self, id: str) -> Install:
        if id not in self._all:
            raise InstallNotFound(f"there is no installation {id[:80]!r}; look again")
        return self._all[id]

    def _check_allowed(self) -> None:
        if self.forbidden:
            raise NotAllowed(self.forbidden)

    def _make_room(self) -> list[str]:
        """The oldest that nobody agreed to goes, and is still to be cleared. Raises InvalidRequest
        where all work."""
        seen = [each.id for each in self._all.values() if each.state == "seen"]
        if was_full := sum(each.is_open for each in self._all.values()) >= _MOST_OPEN:
            if not seen:
                raise InvalidRequest("source", f"{_MOST_OPEN} are being looked at already; wait")
            del self._all[seen[0]]
        over = [each.id for each in self._all.values() if not each.is_open][: -_MOST or None]
        for id in over:
            del self._all[id]
        return seen[:1] if was_full else []

    def _clear(self, id: str) -> None:
        """By nobody who holds the lock: a large tree takes its time."""
        with self._lock:
            work = self._works.pop(id, None)
        if work is not None:
            placing.clear(work)

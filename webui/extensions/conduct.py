"""How extensions behave: every call of a hook is timed, and its failure is the extension's own.

Three failures of one hook in a row and the extension is switched off, until the next start; where
somebody waits for the call, one that takes too long does it. Where the process may die in a hook, a
file says in which, so that the next process leaves that one out.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from webui.extensions.patience import Clock, Errand

T = TypeVar("T")
IN_A_ROW = 3  # failures
PATIENCE = 10.0  # seconds that a call may take for which somebody waits
_MOST_TRACE = 4000  # characters
_MOST_TEXT = 300
_WIDTH = 120  # bytes of the file that says where the process is


@dataclass(frozen=True, slots=True)
class Mishap:
    """A failure of an extension."""

    owner: str
    hook: str  # in words, "denoiser wrapper"
    text: str
    trace: str = ""  # the traceback

    @property
    def note(self) -> str:
        """What a picture's metadata says of it."""
        return f"Did not run: {self.owner} ({self.hook}: {self.text})"


class MishapError(Exception):
    """A hook failed; what called it goes on without."""

    def __init__(self, mishap: Mishap) -> None:
        super().__init__(f"{mishap.owner}, {mishap.hook}: {mishap.text}")
        self.mishap = mishap


@dataclass(slots=True)
class _Use:
    """Of one hook of one extension."""

    seconds: float = 0.0
    calls: int = 0
    failures: int = 0  # in a row


class Conduct:
    """Any thread may call."""

    def __init__(self, where: Path | None = None, patience: float = PATIENCE) -> None:
        """`where`: a file that says in which hook this process is, and in which the last one died;
        the extension that it died in starts switched off. `patience`: seconds for
        `attempt_soon`."""
        self._lock = threading.Lock()
        self._patience = patience
        self._clocks = threading.local()  # .running: of the call that this thread is
        self._uses: dict[tuple[str, str], _Use] = {}
        self._off: dict[str, str] = {}  # extension -> why
        self._last: dict[str, Mishap] = {}
        self._where = _Where(where) if where is not None else None
        if self._where is not None and (told := self._where.left):
            owner, hook = told
            self.switch_off(Mishap(owner, hook, f"the engine ended or hung in its {hook}"))

    def off(self, owner: str) -> str:
        """Why it is switched off; "" while it is not."""
        return self._off.get(owner, "")

    def attempt(
        self,
        owner: str,
        hook: str,
        call: Callable[[], T],
        passing: tuple[type, ...] = (),
        *,
        whole: bool = True,
    ) -> T:
        """What `call` gives. Raises MishapError for whatever it raises, but for the types in
        `passing` and for Ctrl+C; and at once where the extension is switched off. `whole`: False
        for a part of something longer, whose end is told by `succeeded`: that the first steps of a
        job went well makes no row of failures shorter."""
        if reason := self.off(owner):
            raise MishapError(Mishap(owner, hook, reason))
        began = time.perf_counter()
        try:
            with self._within(owner, hook):
                value = call()
        except BaseException as error:  # SystemExit, and whatever else somebody makes of it
            self._spent(owner, hook, began)
            if isinstance(error, (*passing, KeyboardInterrupt)):
                raise
            raise MishapError(self.failed(owner, hook, error)) from error
        self._spent(owner, hook, began)
        if whole:
            self.succeeded(owner, hook)
        return value

    def attempt_soon(
        self,
        owner: str,
        hook: str,
        call: Callable[[], T],
        passing: tuple[type, ...] = (),
        patience: float | None = None,
    ) -> T:
        """As `attempt`, for what somebody waits for. One that takes longer than so many seconds of
        its own is switched off at once, for it cannot be ended; while it waits for another
        extension, that one's time runs."""
        patience = self._patience if patience is None else patience
        return self.attempt(owner, hook, lambda: self._soon(owner, hook, call, patience), passing)

    def _soon(self, owner: str, hook: str, call: Callable[[], T], patience: float) -> T:
        clock, outer = Clock(patience), getattr(self._clocks, "running", None)

        def timed() -> T:
            self._clocks.running = clock
            return call()

        with outer.stopped() if outer else nullcontext():
            errand = Errand(f"{owner} {hook}", timed)
            ended = errand.ends_within(clock)
        with self._lock:
            self._use(owner, hook).seconds -= clock.aside
        if ended:
            return errand.result()
        text = f"took longer than {patience:g} s"
        error = TimeoutError(text)
        error.add_note(f"It was here:\n{errand.where()}")
        self.switch_off(Mishap(owner, hook, f"switched off: its {hook} {text}"))
        raise error

    def failed(self, owner: str, hook: str, error: BaseException) -> Mishap:
        """Counts a failure."""
        text = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_TEXT]
        trace = "".join(traceback.format_exception(error))[-_MOST_TRACE:]
        mishap = Mishap(owner, hook, _plain(text), _plain(trace))
        with self._lock:
            use = self._use(owner, hook)
            use.failures += 1
            self._last[owner] = mishap
            if use.failures >= IN_A_ROW:
                self._off.setdefault(
                    owner, f"switched off after {IN_A_ROW} failures in a row; {hook}: {text}"
                )
        return mishap

    def succeeded(self, owner: str, hook: str) -> None:
        with self._lock:
            self._use(owner, hook).failures = 0

    def spent(self, owner: str, hook: str, seconds: float) -> None:
        """Time that was measured elsewhere."""
        with self._lock:
            use = self._use(owner, hook)
            use.seconds, use.calls = use.seconds + seconds, use.calls + 1

    def switch_off(self, mishap: Mishap) -> None:
        """At once, until the next start."""
        with self._lock:
            self._off.setdefault(mishap.owner, mishap.text)
            self._last[mishap.owner] = mishap

    def close(self) -> None:
        """Nothing is called any more."""
        if self._where is not None:
            self._where.close()

    def report(self) -> dict[str, Any]:
        """For each extension that did anything: times, and what went wrong. JSON's own types."""
        with self._lock:
            made: dict[str, Any] = {}
            for (owner, hook), use in self._uses.items():
                hooks = made.setdefault(owner, {"hooks": {}})["hooks"]
                hooks[hook] = {"seconds": use.seconds, "calls": use.calls}
            for owner, mishap in self._last.items():
                made.setdefault(owner, {"hooks": {}})["mishap"] = asdict(mishap)
            for owner, why in self._off.items():
                made.setdefault(owner, {"hooks": {}})["off"] = why
            return made

    def _use(self, owner: str, hook: str) -> _Use:
        return self._uses.setdefault((owner, hook), _Use())

    def _spent(self, owner: str, hook: str, began: float) -> None:
        self.spent(owner, hook, time.perf_counter() - began)

    @contextmanager
    def _within(self, owner: str, hook: str) -> Iterator[None]:
        if self._where is None:
            yield
            return
        before = self._where.say(f"{owner}\n{hook}" if owner else "")
        try:
            yield
        finally:
            self._where.say(before)

    @contextmanager
    def outside(self, owner: str, hook: str) -> Iterator[None]:
        """Within a hook, while it waits for what is not the extension's: that time is not its."""
        began = time.perf_counter()
        try:
            with self._within("", ""):
                yield
        finally:
            with self._lock:
                self._use(owner, hook).seconds -= time.perf_counter() - began


def merged(reports: tuple[Mapping[str, Any], ...], id: str) -> dict[str, Any]:
    """What several processes say of one extension."""
    said = [report[id] for report in reports if isinstance(report.get(id), Mapping)]
    hooks = {hook: use for each in said for hook, use in each.get("hooks", {}).items()}
    return {
        "hooks": hooks,
        "seconds": sum(use["seconds"] for use in hooks.values()),
        "off": next((each["off"] for each in said if each.get("off")), ""),
        "mishap": next((each["mishap"] for each in said if each.get("mishap")), None),
    }


class _Where:
    """A file that says in which hook this process is; written many times a step, so kept open."""

    def __init__(self, path: Path) -> None:
        self.left: list[str] = []  # owner and hook that the last process ended in
        with suppress(OSError, ValueError):
            said = path.read_text(encoding="utf-8").strip().split("\n")
            self.left = said if len(said) == 2 else []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)
        self._now = ""

    def say(self, text: str) -> str:
        """What it said before."""
        before, self._now = self._now, text
        with suppress(OSError):  # a full disk must not fail a job
            self._file.seek(0)
            self._file.write(text.encode("ascii", "replace").ljust(_WIDTH)[:_WIDTH])
        return before

    def close(self) -> None:
        self._file.close()


def _plain(text: str) -> str:
    """What UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode()

"""The engine as a child process that is started, watched, and started again when it dies.

Knows neither torch nor jobs: it speaks `webui.wire` over pipes to whatever command it is given.
"""

import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from webui.backend.child import Child, End, Inbox
from webui.backend.verbs import EngineState
from webui.errors import EngineDied, EngineNotStarted, EngineRestarted
from webui.events import EngineEvent
from webui.request import GenerationRequest
from webui.wire import RunOptions

_ENVIRON = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "DIFFUSERS_DISABLE_CUSTOM_CODE": "1",
    "PYTHONUNBUFFERED": "1",
}
_QUICK = 5.0  # seconds; who dies sooner after the start, or before its hello: a quick death
_QUICK_DEATHS = 5  # in a row, and it is not started again unasked
_SLOW = 20  # times the slowest step of a run may pass without a sign of progress
_PATIENCE = 1.5  # seconds to end by itself at close: one that lives does so at once
_CLOSED = "the engine was closed"


class EngineProcess:
    """A `Backend`. Any thread may call; runs are served one at a time, calls between."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        log_path: Path,
        silence: float = 60.0,
        start_timeout: float = 300.0,
        stall: float = 600.0,
        backoff: float = 0.2,
        blame: Sequence[Path] = (),
    ) -> None:
        """`environ` is the server's own. All times in seconds: how long it may say nothing, and
        before its hello; how long a run may get nowhere (0: for ever; a run with slow steps gets
        more); the wait after a quick death, which doubles with each. `blame`: files
        that say in which extension the engine is."""
        self._command = command
        self._environ = {**environ, **_ENVIRON}
        self._log_path = log_path
        self._silence = silence
        self._start_timeout = start_timeout
        self._stall = stall
        self._backoff = backoff
        self._blame = blame
        self._one_run = threading.Lock()
        self._changed = threading.Condition(threading.RLock())  # guards all that follows
        self._child: Child | None = None
        self._starts = 0
        self._deaths = 0  # equal to the starts while there is no child
        self._quick_deaths = 0  # in a row
        self._wanted = False  # somebody has asked since the last death
        self._busy = False
        self._closing = False
        self._text = ""  # what the last one died of
        self._restarted = False  # it died because somebody wanted a new one
        self._thread = threading.Thread(target=self._supervise, name="engine", daemon=True)
        self._thread.start()

    def run(
        self, job_id: str, request: GenerationRequest, options: RunOptions
    ) -> Generator[EngineEvent, None, str]:
        with self._one_run:
            child = self._ready(None)
            inbox = child.begin(job_id, request, options)
            self._busy = True
            try:
                return (yield from _events(child, job_id, inbox))
            finally:
                self._busy = False

    def call(self, name: str, args: Mapping[str, Any], timeout: float = 30) -> Any:
        deadline = time.monotonic() + timeout
        child = self._ready(deadline)
        number, answer = child.ask(name, args)
        try:
            if timeout == 0:
                return None
            value, error = answer.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise EngineDied(f"the engine did not answer {name!r} in {timeout:g} s") from None
        finally:
            child.forget(number)
        if error is not None:
            raise error
        return value

    def restart(self) -> None:
        with self._changed:
            child, self._child = self._child, None
            self._quick_deaths = 0
            self._wanted = True
            self._changed.notify_all()
        if child is not None:
            child.restarted = True
            child.kill("the engine was restarted")

    def state(self) -> EngineState:
        with self._changed:
            child = self._child
            if child is None or child.ended.is_set():
                return EngineState("dead", text=self._text)
            if child.hello is None:
                return EngineState("starting", text="the engine is starting", pid=child.pid)
            device = str(child.hello.get("device", ""))
            state: EngineState = EngineState(
                "busy" if self._busy else "ready",
                device,
                f"working on {device}" if self._busy else f"ready on {device}",
                child.pid,
                child.hello,
            )
            return state

    def close(self) -> None:
        """Within 5 s; what runs raises EngineDied."""
        with self._changed:
            self._closing = True
            child = self._child
            self._changed.notify_all()
        if child is not None:
            child.close(_PATIENCE, _CLOSED)
        self._thread.join(2.0)
        self._forgive()

    def _ready(self, deadline: float | None) -> Child:
        """The child, when it can be talked to. Raises EngineNotStarted if the one being started
        dies, EngineDied at `deadline`."""
        with self._changed:
            alive = self._child is not None and not self._child.ended.is_set()
            awaited = self._starts if alive else self._starts + 1
            while True:
                if self._closing:
                    raise EngineDied(_CLOSED)
                child = self._child
                if child and child.hello is not None and not child.ended.is_set():
                    return child
                if self._deaths >= awaited:
                    if self._restarted:
                        raise EngineRestarted(self._text)
                    raise EngineNotStarted(self._text)
                if not self._wanted:
                    self._wanted = True
                    self._changed.notify_all()
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise EngineDied("the engine is not ready yet")
                self._changed.wait(left)

    # --- the supervisor's thread ------------------------------------------------------------------

    def _supervise(self) -> None:
        while not self._closing:
            begun = time.monotonic()
            child, problem = self._start()
            if child is not None:
                self._watch(child)
                words = child.last_words()
                problem = f"{child.why}\n{words}" if words else child.why
                if child.restarted:
                    self._forgive()
            with self._changed:
                self._child = None
                self._deaths = self._starts
                greeted = child is not None and child.hello is not None
                quick = not greeted or time.monotonic() - begun < _QUICK
                self._quick_deaths = self._quick_deaths + 1 if quick else 0
                self._wanted = False
                self._text = problem
                self._restarted = child is not None and child.restarted
                self._changed.notify_all()
            self._pause()

    def _start(self) -> tuple[Child | None, str]:
        with self._changed:
            self._starts += 1
            if self._closing:
                return None, _CLOSED
            try:
                self._child = Child(
                    self._command, self._environ, self._log_path, self._notify, self._blame
                )
            except OSError as error:
                return None, f"the engine cannot be started: {error}"
            return self._child, ""

    def _watch(self, child: Child) -> None:
        """Until it has ended. Silence is counted in slices, so that a suspended laptop is none."""
        limits = (self._silence, self._start_timeout, self._stall)
        interval = min(each for each in limits if each > 0) / 20
        seen, silent, progress, stalled = 0, 0.0, 0, 0.0
        while not child.ended.wait(interval):
            silent = silent + interval if child.messages == seen else 0.0
            stalled = stalled + interval if child.running and child.progress == progress else 0.0
            seen, progress = child.messages, child.progress
            limit = self._start_timeout if child.hello is None else self._silence
            if silent >= limit:
                child.kill(f"the engine said nothing for {limit:g} s and was ended")
            patience = max(self._stall, _SLOW * child.slowest)
            if self._stall > 0 and stalled >= patience:
                child.kill(f"the engine got no further for {patience:g} s and was ended")

    def _pause(self) -> None:
        with self._changed:
            if 0 < self._quick_deaths < _QUICK_DEATHS:
                delay = self._backoff * 2 ** (self._quick_deaths - 1)
                self._changed.wait_for(lambda: self._closing, delay)
            elif self._quick_deaths:
                self._changed.wait_for(lambda: self._closing or self._wanted)

    def _forgive(self) -> None:
        """It was ended from here: the extension that it was in is not to blame."""
        for each in self._blame:
            with suppress(OSError):
                each.unlink(missing_ok=True)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _events(child: Child, job_id: str, inbox: Inbox) -> Generator[EngineEvent, None, str]:
    """Until the run's End, which is awaited even if nobody wants the rest: none of it may turn up
    in the next run."""
    ended = False
    try:
        while not isinstance(item := inbox.get(), End):
            yield item
        ended = True
    finally:
        if not ended:
            _discard(child, job_id)
            while not isinstance(inbox.get(), End):
                pass
    if item.error is not None:
        raise item.error
    return item.outcome


def _discard(child: Child, job_id: str) -> None:
    try:
        number, _ = child.ask("stop", {"job": job_id, "keep": False})
    except EngineDied:
        return
    child.forget(number)

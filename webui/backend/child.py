"""One engine process: its pipes, and who waits for what it says.

A thread reads what it sends and hands it to the run or the call that it belongs to. Knows nothing
of restarts: a child that has ended stays ended.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from webui.errors import DarkroomError, EngineDied, EngineRestarted, Failure, error_of
from webui.events import EngineEvent, Preview, Step
from webui.request import GenerationRequest, to_dict
from webui.wire import Message, RunOptions, message_event, read, write

_MAX_STDERR = 5 * 2**20  # bytes of log from earlier starts
_TAIL = 2_000  # bytes of stderr shown when it died
_BACKLOG = 64  # unread messages; beyond it previews are dropped, and nothing else


@dataclass(frozen=True, slots=True)
class End:
    """The last thing in a run's inbox."""

    outcome: str = ""
    error: DarkroomError | None = None


Inbox = SimpleQueue[EngineEvent | End]
Answer = tuple[Any, DarkroomError | None]


class Child:
    """Raises OSError if it cannot be started. `changed()` is called when it is ready or gone."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        log_path: Path,
        changed: Callable[[], None],
        blame: Sequence[Path] = (),
    ) -> None:
        self.hello: dict[str, Any] | None = None  # until it is ready
        self.messages = 0  # received; it is silent while this stands still
        self.progress = 0  # runs begun and their events; a run hangs while this stands still
        self.slowest = 0.0  # seconds, of the run's steps
        self.restarted = False  # killed because somebody wanted a new one
        self.ended = threading.Event()
        self.why = ""  # it ended
        self._changed = changed
        self._lock = threading.Lock()  # of what follows
        self._run: tuple[str, Inbox] | None = None
        self._answers: dict[int, SimpleQueue[Answer]] = {}
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._log_path = log_path
        self._blame = blame
        self._process = _start(command, environ, log_path)
        self._log_start = log_path.stat().st_size
        threading.Thread(target=self._listen, name="engine reader", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, job_id: str, request: GenerationRequest, options: RunOptions) -> Inbox:
        """Sends the request; events come into the inbox, at last an End, whatever happens."""
        inbox: Inbox = SimpleQueue()
        with self._lock:
            if self.ended.is_set():
                raise EngineDied(self.why)
            self._run = (job_id, inbox)
            self.progress += 1
            self.slowest = 0.0
        head = {"run": job_id, "request": to_dict(request), "options": asdict(options)}
        with suppress(EngineDied):  # then the reader sees it too, and puts the End
            self._send(Message(head))
        return inbox

    @property
    def running(self) -> bool:
        """Whether it has been given a run that has not ended."""
        return self._run is not None

    def death(self) -> EngineDied:
        """What those who waited for it are told."""
        return EngineRestarted(self.why) if self.restarted else EngineDied(self.why)

    def ask(self, name: str, args: Mapping[str, Any]) -> tuple[int, SimpleQueue[Answer]]:
        """Sends a call; its number, and where its answer will come, once."""
        answer: SimpleQueue[Answer] = SimpleQueue()
        with self._lock:
            if self.ended.is_set():
                raise EngineDied(self.why)
            number = next(self._numbers)
            self._answers[number] = answer
        try:
            self._send(Message({"call": number, "name": name, "args": dict(args)}))
        except EngineDied:
            self.forget(number)
            raise
        return number, answer

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        with self._lock:
            self._answers.pop(number, None)

    def kill(self, why: str) -> None:
        """With everything it has started; returns at once."""
        self.why = self.why or why
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, patience: float, why: str) -> None:
        """Closes its pipe, on which it ends; kills it if it has not within `patience` seconds."""
        assert self._process.stdin is not None
        if self._writing.acquire(timeout=patience):  # a writer hangs while nobody reads
            with suppress(OSError, ValueError):
                self._process.stdin.close()
            self._writing.release()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill(why)

    def last_words(self) -> str:
        """The end of its stderr."""
        with suppress(OSError), self._log_path.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(self._log_start, end - _TAIL))
            return log.read().decode(errors="replace").strip()
        return ""

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None
        try:
            with self._writing:
                write(self._process.stdin, message)
        except (OSError, ValueError) as error:  # ValueError: closed on our side
            raise EngineDied(self.why or "the engine process has ended") from error

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            try:
                while (message := read(stdout)) is not None:
                    self.messages += 1
                    self._dispatch(message)
            except Exception as error:  # it cannot be talked to, whatever it is
                self.close(1.0, f"the engine process could not be understood: {error}")
        self.close(1.0, "the engine process closed its pipe and did not end")
        code = self._process.wait()
        self._bury((self.why or _epitaph(code)) + _blamed(self._blame))

    def _dispatch(self, message: Message) -> None:
        head = message.head
        if "event" in head:
            self._hand_on(message_event(message))
        elif "end" in head:
            self._end(head)
        elif "answer" in head:
            with self._lock:
                waiting = self._answers.pop(head["answer"], None)
            if waiting is not None:
                waiting.put(_answer(message))
        elif "hello" in head:
            self._greet(dict(head["hello"]))

    def _hand_on(self, event: EngineEvent) -> None:
        self.progress += 1
        if isinstance(event, Step):
            self.slowest = max(self.slowest, event.seconds)
        with self._lock:
            inbox = self._run[1] if self._run else None
        if inbox and not (isinstance(event, Preview) and inbox.qsize() >= _BACKLOG):
            inbox.put(event)

    def _greet(self, hello: dict[str, Any]) -> None:
        if "error" in hello:  # it cannot start, and ends
            self.why = str(hello["error"])
        else:
            self.hello = hello
            self._changed()

    def _end(self, head: Mapping[str, Any]) -> None:
        with self._lock:
            if self._run is None or self._run[0] != head["end"]:
                return
            inbox, self._run = self._run[1], None
        error = error_of(Failure(**head["error"])) if head.get("error") else None
        inbox.put(End(str(head.get("outcome", "")), error))

    def _bury(self, why: str) -> None:
        with self._lock:
            self.why = why
            run, answers = self._run, list(self._answers.values())
            self._run = None
            self._answers.clear()
            self.ended.set()
        if run is not None:
            run[1].put(End(error=self.death()))
        for each in answers:
            each.put((None, self.death()))
        self._changed()


def _start(
    command: Sequence[str], environ: Mapping[str, str], log_path: Path
) -> subprocess.Popen[bytes]:
    log_path.parent.mkdir(parents=True, exist_ok=True)
    too_long = log_path.exists() and log_path.stat().st_size > _MAX_STDERR
    with log_path.open("wb" if too_long else "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ,
            start_new_session=True,  # Ctrl+C in the terminal is for the server alone
        )


def _answer(message: Message) -> Answer:
    if message.head.get("error"):
        return None, error_of(Failure(**message.head["error"]))
    value = message.head.get("value")
    if message.blobs:
        value = {**(value or {}), "blob": message.blobs[0]}
    return value, None


def _blamed(paths: Sequence[Path]) -> str:
    """In which extension it was, if it was in one."""
    for path in paths:
        with suppress(OSError, ValueError):
            owner, hook = path.read_text(encoding="utf-8").strip().split("\n")
            return f"; it was in the {hook} of the extension {owner}"
    return ""


def _epitaph(code: int) -> str:
    if code == -9:
        return "the engine process was killed (signal 9), perhaps because memory ran out"
    if code < 0:
        return f"the engine process was ended by signal {-code}"
    return f"the engine process ended with exit code {code}"

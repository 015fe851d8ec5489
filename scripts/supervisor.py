"""The parent of the server: starts it, starts it again, passes signals on.

Knows the server as a command that ends with an exit code, and nothing else of it.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from webui.settings import RESTART_EXIT_CODE

REFUSED = 2  # the server cannot start as asked, and has said why: no start will mend that


@dataclass(frozen=True, slots=True)
class Limits:
    early: float = 30  # seconds; a server that fails before, or before it is ready, has not started
    grace: float = 10  # seconds from the signal to stop until it is killed


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    seconds: float
    asked: bool  # a signal had asked for it


def supervise(
    command: Callable[[int, bool], Sequence[str]],
    folder: Path,
    limits: Limits,
    say: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
    ready: Path | None = None,
) -> int:
    """Runs `command(starts so far, safe mode)` until it has ended for good; returns its exit code.

    `environ`: of the command; None for that of this process. `ready`: a file that it makes when
    all is ready, however long that takes; None where it says nothing of that.

    Two failed starts in a row: the third is in safe mode. If that fails too, it is the end.
    """
    starts, failures = 0, 0
    while True:
        if ready is not None:
            ready.unlink(missing_ok=True)
        ended = run(command(starts, failures == 2), folder, limits, environ)
        starts += 1
        if ended.asked or ended.code in (0, REFUSED):
            return ended.code
        if ended.code == RESTART_EXIT_CODE:
            failures = 0
            say("Starting again.")
            continue
        late = ended.seconds >= limits.early and (ready is None or ready.exists())
        if late or failures == 2:
            say(f"The server ended unexpectedly (exit code {ended.code}).")
            return ended.code
        failures += 1
        how = "again" if failures == 1 else "in safe mode, without extensions (--safe-mode)"
        say(f"The server failed to start (exit code {ended.code}); starting {how}.")


def run(
    command: Sequence[str], folder: Path, limits: Limits, environ: Mapping[str, str] | None = None
) -> Ended:
    """Runs the command to its end; SIGINT and SIGTERM are passed on, then it has `grace` seconds.

    It has a session of its own, or Ctrl-C would reach it twice: from the terminal and from here.
    """
    started = time.monotonic()
    child = subprocess.Popen(
        command, cwd=folder, env=environ, start_new_session=sys.platform != "win32"
    )
    killer = threading.Timer(limits.grace, child.kill)
    killer.daemon = True
    asked = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            killer.start()
        if sys.platform != "win32":  # there Ctrl-C reaches every program of the console
            child.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    signals = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        code = child.wait()
    finally:
        killer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(code if code >= 0 else 128 - code, time.monotonic() - started, asked)


STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

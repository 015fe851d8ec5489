"""Other programs (git, pip), watched: never through a shell, with an end, and with limits of what
they may write and hold in memory.

Time and bytes are looked at from here ten times a second; in between, and if this process dies, the
system's own limits hold (`confined`).
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webui.installing.errors import InstallError

Told = Callable[[int], None]  # bytes that are there; raises to end what is under way
_LOOK = 0.1  # seconds between two looks
_MOST_SAID = 2**16  # bytes of an error's text
_TOO_LARGE = "File too large"  # what the system says where a file would pass its limit
_CONFINED = str(Path(__file__).with_name("confined.py"))


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float
    most_bytes: int  # in the folder that it writes to
    memory: int = 2**31  # bytes that each of its processes may hold


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    said: str  # on stderr
    out: bytes


def program(command: Sequence[str], limits: Limits) -> list[str]:
    """It, by its path, under the limits that the system keeps."""
    if sys.platform == "win32":  # it has none for a process itself
        return list(command)
    return [sys.executable, "-I", "-S", _CONFINED, *_numbers(limits), *command]


def module(name: str, arguments: Sequence[str], limits: Limits) -> list[str]:
    """One of this Python's, which can start no program."""
    return [sys.executable, "-I", _CONFINED, *_numbers(limits), "-m", name, *arguments]


def _numbers(limits: Limits) -> list[str]:
    numbers = (limits.memory, limits.most_bytes, math.ceil(limits.seconds) + 1)
    return [str(each) for each in numbers]


def run(
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    place: Path,
    limits: Limits,
    told: Told,
) -> Ended:
    """`command` as `program` or `module` give it; `place` is the folder that it writes to, and what
    it says too. Raises InstallError where it takes too long or writes too much, and what `told`
    raises; then nothing of it runs any more."""
    out, err = place / "stdout", place / "stderr"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        process = subprocess.Popen(
            list(command),
            cwd=place,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=to_out,
            stderr=to_err,
            start_new_session=True,
        )
        try:
            code = _watched(process, name, place, limits, told)
        finally:
            end(process)
    with err.open("rb") as file:
        said = file.read(_MOST_SAID).decode("utf-8", "replace")
    if (code and _TOO_LARGE in said) or out.stat().st_size > limits.most_bytes:
        raise _too_large(limits)
    return Ended(code, said, out.read_bytes())


def _watched(
    process: "subprocess.Popen[bytes]", name: str, place: Path, limits: Limits, told: Told
) -> int:
    until = time.monotonic() + limits.seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK)
        size = bytes_in(place)
        told(size)
        if size > limits.most_bytes:
            raise _too_large(limits)
        if time.monotonic() > until:
            raise InstallError(f"{name} took longer than {limits.seconds:g} s")


def _too_large(limits: Limits) -> InstallError:
    return InstallError(f"it is larger than {limits.most_bytes // 2**20} MiB")


def end(process: "subprocess.Popen[bytes]") -> None:
    """With everything that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it goes away meanwhile
                total += os.lstat(os.path.join(place, name)).st_size
    return total

"""Other programs (git, pip), watched: never through a shell, with an end, and with a limit of what
they may write.
"""

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


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float
    most_bytes: int  # in the folder that it writes to


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    said: str  # on stderr
    out: bytes


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    place: Path,
    limits: Limits,
    told: Told,
) -> Ended:
    """`place` is the folder that it writes to, and what it says too. Raises InstallError where it
    takes too long or writes too much, and what `told` raises; then nothing of it runs any more."""
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
            code = _watched(process, Path(command[0]).stem, place, limits, told)
        finally:
            end(process)
    if out.stat().st_size > limits.most_bytes:
        raise InstallError(f"it is larger than {limits.most_bytes // 2**20} MiB")
    with err.open("rb") as file:
        said = file.read(_MOST_SAID).decode("utf-8", "replace")
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
            raise InstallError(f"it is larger than {limits.most_bytes // 2**20} MiB")
        if time.monotonic() > until:
            raise InstallError(f"{name} took longer than {limits.seconds:g} s")


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

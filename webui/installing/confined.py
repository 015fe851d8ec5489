"""How git and pip begin: what they may take is limited first. A script, started by `running`.

    confined.py MEMORY FILE SECONDS PROGRAM ARGUMENT...     becomes the program
    confined.py MEMORY FILE SECONDS -m MODULE ARGUMENT...   runs it, and lets it start no program

Bytes of memory, bytes of one file, seconds of processor time. Imports the standard library alone.
"""

import os
import runpy
import signal
import sys
from contextlib import suppress
from typing import Any

_STARTS = (
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "os.startfile",
)  # fmt: skip
_GRACE = 5  # seconds between the signal that says so and the end


def main(arguments: list[str]) -> None:
    memory, file, seconds = (int(each) for each in arguments[:3])
    _limit(memory, file, seconds)
    command = arguments[3:]
    if command[0] == "-m":
        sys.addaudithook(_starts_nothing)
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        return
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # SIGXFSZ stays ignored: an error, no death
    os.execv(command[0], command)


def _starts_nothing(event: str, arguments: tuple[Any, ...]) -> None:
    """Building a package would run its code, and fetching it otherwise than by its index git."""
    if event in _STARTS:
        raise PermissionError(f"no other program is started here ({event})")


if sys.platform == "win32":

    def _limit(memory: int, file: int, seconds: int) -> None:
        """Windows has no such limits for a process itself."""
else:
    import resource

    def _limit(memory: int, file: int, seconds: int) -> None:
        # not the address space: threads reserve much of it that they never use
        _set(resource.RLIMIT_DATA, memory, memory)
        _set(resource.RLIMIT_FSIZE, file, file)
        _set(resource.RLIMIT_CPU, seconds, seconds + _GRACE)
        _set(resource.RLIMIT_CORE, 0, 0)

    def _set(kind: int, soft: int, hard: int) -> None:
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        with suppress(ValueError, OSError):  # a system that does not know it
            resource.setrlimit(kind, (soft, hard))


if __name__ == "__main__":
    main(sys.argv[1:])

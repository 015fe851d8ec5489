"""What belongs to the whole process and is no extension's to change: looked at before and after."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from webui import settings
from webui.errors import ExtensionError

Seen = Mapping[str, Any]


def seen() -> Seen:
    """Name -> how it is now."""
    return {name: look() for name, look in _LOOKS.items()}


def check(before: Seen) -> None:
    """Raises ExtensionError, naming what is another now."""
    for name, was in before.items():
        now = _LOOKS[name]()
        if name == _VARIABLES:  # a library may add some; what was there stays
            changed = sorted(key for key in was if now.get(key) != was[key])
            if changed:
                raise ExtensionError(f"changes the environment: {', '.join(changed)[:200]}")
        elif now != was:
            raise ExtensionError(f"changes {name}, which is the whole program's")


_VARIABLES = "the environment"


def _files() -> list[object]:
    """What the three standard files are; a closed one is taken by whatever is opened next."""
    found: list[object] = []
    for number in range(3):
        try:
            status = os.fstat(number)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return [*found, *(each is not None and each.closed for each in streams)]


def _signals() -> list[object]:
    known = [each for each in signal.Signals if each.name not in ("SIGKILL", "SIGSTOP")]
    return [signal.getsignal(each) for each in known]


def _of_torch(name: str, untouched: str) -> Callable[[], str]:
    """`untouched` is what it is in a torch that nobody has loaded yet."""

    def look() -> str:
        torch: Any = sys.modules.get("torch")
        return untouched if torch is None else str(getattr(torch, name)())

    return look


_LOOKS: Mapping[str, Callable[[], Any]] = {
    _VARIABLES: settings.environment,
    "the working folder": os.getcwd,
    "sys.path": lambda: list(sys.path),
    "the standard files": _files,
    "what signals do": _signals,
    "the time limit of sockets": socket.getdefaulttimeout,
    "the hooks for exceptions": lambda: (sys.excepthook, threading.excepthook),
    "the recursion limit": sys.getrecursionlimit,
    "what is logged": lambda: logging.root.manager.disable,
    "the garbage collector": gc.isenabled,
    "torch's default dtype": _of_torch("get_default_dtype", "torch.float32"),
    "torch's default device": _of_torch("get_default_device", "cpu"),
    "torch's gradients": _of_torch("is_grad_enabled", "True"),
    "torch's determinism": _of_torch("are_deterministic_algorithms_enabled", "False"),
}

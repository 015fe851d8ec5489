"""The short-lived process in which an extension is tried: `webui.extensions.trial` starts it.

It writes what it is about to do, line by line, so that one knows where it ended; at last whether
all went well. What the extension prints goes nowhere, what it patches is found, what it starts dies
with the process.
"""

import builtins
import faulthandler
import importlib
import json
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import IO, Any

from webui.errors import ExtensionError
from webui.extensions import manifest, process_state, together
from webui.extensions.loading import PACKAGE, Part, tables_of
from webui.extensions.manifest import Manifest
from webui.extensions.own_settings import OwnSettings
from webui.extensions.registry import Shelves, Tables, of_engine, of_server
from webui.extensions.trial import OURS

_MEMORY: Mapping[Part, int] = {"server": 3 * 2**29, "engine": 2**34}  # bytes
_MOST_TRACE = 4000  # characters
_METHODS = (FunctionType, classmethod, staticmethod, property)
_WATCHED = ("os", "json", "pathlib", "shutil", "socket", "subprocess", "threading", "time")


def main(part: Part, folder: Path, result: Path, limit: float) -> int:
    _limit_memory(_MEMORY[part])
    tempfile.tempdir = str(result.parent)  # which goes away, however this ends
    with (
        result.open("w", encoding="utf-8") as file,
        result.with_suffix(".trace").open("w") as trace,
    ):
        said = _Said(file, trace, limit * 0.6)
        try:
            seconds = _rehearse(part, folder, said)
        except BaseException as error:  # SystemExit too
            said.failed(error)
        else:
            said.write({"seconds": seconds})
        os._exit(0)  # its threads, and what it has registered for the end, do not run


class _Said:
    def __init__(self, file: IO[str], trace: IO[str], patience: float) -> None:
        """`trace` is told where it hangs, after so many seconds."""
        self._file, self._trace, self._patience = file, trace, patience
        self._hook = OURS

    def write(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()

    def begins(self, hook: str) -> None:
        self._hook = hook
        self.write({"hook": hook})
        faulthandler.cancel_dump_traceback_later()
        if hook != OURS:
            faulthandler.dump_traceback_later(self._patience, file=self._trace)

    def failed(self, error: BaseException) -> None:
        ours = isinstance(error, ExtensionError)  # it says all there is to say
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        with suppress(BaseException):
            trace = "" if ours else "".join(traceback.format_exception(error))
            self.write({"error": text[:1000], "hook": self._hook, "trace": trace[-_MOST_TRACE:]})


def _rehearse(part: Part, folder: Path, said: _Said) -> float:
    """Seconds that the extension itself took."""
    known = manifest.read(folder)
    before, around = _attributes(), process_state.seen()
    began = time.perf_counter()
    tables = tables_of(folder, known, part, said.begins)
    _shelve(tables, known.id, part, said)
    seconds = time.perf_counter() - began
    said.begins("import")
    _check_threads()
    _check_patches(before)
    process_state.check(around)
    if part == "engine":
        said.begins("needs")
        _check_needs(tables, folder, known)
    if part == "server" and (tables.get("tabs") or tables.get("routes")):
        _build(tables, known.id, said)
    return seconds


def _shelve(tables: Tables, id: str, part: Part, said: _Said) -> None:
    """The registry that the process itself makes of them. Raises what would be raised there."""
    shelves = Shelves()
    for hook, made in tables.items():
        said.begins(f"register_{hook}")
        shelves.add(id, {hook: made})
    said.begins("tables")
    if part == "engine":
        of_engine(shelves)
    else:
        OwnSettings(None, of_server(shelves).settings_pages).values(id)


def _check_needs(tables: Tables, folder: Path, known: Manifest) -> None:
    """Of the engine half, held against the other, of which the engine will know nothing; one that
    fails says so in its own trial."""
    other: Tables = {}
    if known.server is not None:
        try:
            other = tables_of(folder, known, "server")
        except BaseException:
            return
    together.check_needs(tables, other)


def _build(tables: Tables, id: str, said: _Said) -> None:
    """Its tabs and routes, on a server without an engine; late, for it takes seconds."""
    said.begins(OURS)
    from webui import stage

    with stage.stage() as services:
        stage.rehearse(services, tables, id, said.begins)
    _check_threads()


def _check_threads() -> None:
    """One that is no daemon would keep the server from ending."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            raise ExtensionError(f"starts a thread that is no daemon: {thread.name}")


def _attributes() -> dict[str, set[str]]:
    """Of our own modules, which an extension might take something from."""
    return {name: set(vars(each)) for name, each in _modules().items()}


def _check_patches(before: Mapping[str, set[str]]) -> None:
    """Raises ExtensionError where something of the extension's stands in somebody else's module."""
    for name, module in _modules().items():
        if lost := before.get(name, set()) - set(vars(module)):
            raise ExtensionError(f"takes {name}.{min(lost)} away")
        for attribute, value in list(vars(module).items()):
            if _is_strange(value):
                raise ExtensionError(f"replaces {name}.{attribute}; use a hook instead")
            if isinstance(value, type) and value.__module__ == name:
                for method, each in list(vars(value).items()):
                    if isinstance(each, _METHODS) and _is_strange(getattr(each, "fget", each)):
                        raise ExtensionError(
                            f"replaces {name}.{attribute}.{method}; use a hook instead"
                        )


def _is_strange(value: object) -> bool:
    """Whether it comes from an extension."""
    home = getattr(value, "__module__", None)
    return isinstance(home, str) and home.split(".")[0] == PACKAGE


def _modules() -> dict[str, ModuleType]:
    for each in _WATCHED:
        importlib.import_module(each)
    return {"builtins": builtins} | {
        name: each
        for name, each in list(sys.modules.items())
        if name.split(".")[0] != PACKAGE and isinstance(each, ModuleType)
    }


if sys.platform == "win32":

    def _limit_memory(most: int) -> None:
        """Windows has no such limit for a process itself."""
else:
    import resource

    def _limit_memory(most: int) -> None:
        """Of what it may allocate, in bytes."""
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    kind: Part = "engine" if sys.argv[1] == "engine" else "server"
    sys.exit(main(kind, Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])))

"""From folders to frozen tables: extensions found, tried, loaded; what ships the same way.

Each process loads its own half. After start nobody asks a hook again; everything else sees a
`ServerRegistry` or an `EngineRegistry`, passed as an argument.
"""

import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from webui.errors import ExtensionError
from webui.extensions.catalogue import Catalogue, installed, standing_values, trials_file
from webui.extensions.conduct import Conduct, Mishap, MishapError
from webui.extensions.discovery import Choices, Found, find
from webui.extensions.loading import Part, asked, tables_of
from webui.extensions.own_settings import OwnSettings, forget_settings
from webui.extensions.registry import (
    BUILTIN,
    Shelves,
    engine_registry,
    of_engine,
    of_server,
    server_registry,
)
from webui.extensions.standing import Standing, State
from webui.extensions.trial import Trials, Verdict

__all__ = [
    "BUILTIN",
    "Catalogue",
    "Choices",
    "Conduct",
    "Found",
    "Mishap",
    "MishapError",
    "OwnSettings",
    "Shelves",
    "Standing",
    "Trials",
    "Verdict",
    "engine_registry",
    "find",
    "forget_settings",
    "installed",
    "load",
    "of_engine",
    "of_server",
    "server_registry",
    "standing_values",
    "trials_file",
]


def load(
    part: Part,
    builtin: object,
    extensions: Sequence[Found],
    trials: Trials,
    disabled: frozenset[str] = frozenset(),
    safe_mode: bool = False,
    begun: Path | None = None,
) -> tuple[Shelves, list[Standing]]:
    """The tables of what ships, and of every extension that is on and came through its trial.

    `begun`: a file that says which one is being loaded; one that the last process ended in has not
    come through."""
    shelves = Shelves()
    shelves.add(BUILTIN, asked(builtin, BUILTIN, part))
    states = {each.id: _state(each, disabled, safe_mode) for each in extensions}
    mine = [each for each in extensions if states[each.id] == "on" and _has(each, part)]
    # what ships is part of the program: it was tried with it
    strangers = [each for each in mine if each.origin != "shipped"]
    for each in strangers:
        if begun is not None and (hook := _ended_in(begun, each.id)):
            trials.condemn(each, hook)
    verdicts = trials.of(strangers) if strangers else {}
    standings = []
    try:
        for each in extensions:
            if each in mine:
                verdict = verdicts.get(each.id, Verdict())
                standings.append(_loaded(part, each, shelves, verdict, begun))
            else:
                mishap = Mishap(each.id, "extension.toml", each.problem) if each.problem else None
                standings.append(Standing(each, states[each.id], mishap))
    finally:
        if begun is not None:
            with suppress(OSError):
                begun.unlink(missing_ok=True)
    return shelves, standings


def _ended_in(begun: Path, id: str) -> str:
    """The hook of the extension in which the last process ended; "" for none of its."""
    with suppress(OSError, ValueError):
        owner, _, hook = begun.read_text(encoding="utf-8").partition("\n")
        return hook if owner == id else ""
    return ""


def _state(found: Found, disabled: frozenset[str], safe_mode: bool) -> State:
    if safe_mode:
        return "safe mode"
    if found.id in disabled:
        return "off"
    return "refused" if found.manifest is None or found.problem else "on"


def _has(found: Found, part: Part) -> bool:
    return found.manifest is not None and getattr(found.manifest, part) is not None


def _loaded(
    part: Part, found: Found, shelves: Shelves, verdict: Verdict, begun: Path | None
) -> Standing:
    if verdict.text:
        return Standing(
            found, "refused", Mishap(found.id, verdict.hook, verdict.text, verdict.trace)
        )
    assert found.manifest is not None
    began, hook = time.perf_counter(), ["import"]

    def told(name: str) -> None:
        hook.append(name)
        if begun is not None:
            with suppress(OSError):
                begun.write_text(f"{found.id}\n{name}", encoding="utf-8")

    try:
        tables = tables_of(found.folder, found.manifest, part, told)
        shelves.add(found.id, tables)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it came through its trial, and fails all the same
        ours = isinstance(error, ExtensionError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        trace = "" if ours else "".join(traceback.format_exception(error))
        return Standing(found, "refused", Mishap(found.id, hook[-1], text, trace))
    seconds = time.perf_counter() - began
    return Standing(found, "on", None, seconds, tuple(tables))

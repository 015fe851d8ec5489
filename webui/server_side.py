"""The extensions' server halves: found, tried, loaded; and which halves the engine is to load."""

import threading
from collections.abc import Sequence
from pathlib import Path

from webui import settings as settings_module
from webui.extensions import (
    Catalogue,
    Choices,
    Conduct,
    Found,
    Trials,
    find,
    installed,
    of_server,
    trials_file,
)
from webui.extensions import (
    load as load_part,
)
from webui.interfaces import ServerRegistry
from webui.settings import Settings


def load(settings: Settings) -> tuple[ServerRegistry, Catalogue]:
    """Everything that is registered in this process, and what came of each extension."""
    found = find(installed(settings.data_dir))
    disabled = Choices(settings.data_dir).disabled()
    trials = Trials(
        "server", trials_file(settings.data_dir, "server"), settings_module.environment()
    )
    ahead = threading.Thread(target=_try, args=(trials, found, disabled), name="trials")
    if not settings.safe_mode:
        ahead.start()  # new ones are tried while Gradio is imported
    from webui import builtin

    if not settings.safe_mode:
        ahead.join()
    begun = settings.data_dir / "server-extension"
    shelves, standings = load_part(
        "server", builtin, found, trials, disabled, settings.safe_mode, begun
    )
    catalogue = Catalogue(
        standings=tuple(standings),
        conduct=Conduct(),
        data_dir=settings.data_dir,
        safe_mode=settings.safe_mode,
    )
    return of_server(shelves), catalogue


def _try(trials: Trials, found: Sequence[Found], disabled: frozenset[str]) -> None:
    """Those that will be; the verdicts are kept."""
    trials.of(
        [
            each
            for each in found
            if each.manifest and each.manifest.server and not each.problem
            and each.id not in disabled and each.origin != "shipped"
        ]
    )  # fmt: skip


def blame(settings: Settings) -> Path:
    """The file that says which extension's hook the engine is in."""
    return settings.data_dir / "engine-hook"


def engine_arguments(settings: Settings) -> list[str]:
    """Which extensions the engine is to load its halves of."""
    if settings.safe_mode:
        return []
    off = Choices(settings.data_dir).disabled()
    found = [each for each in find(installed(settings.data_dir)) if each.id not in off]
    named = [f"{each.origin}:{each.folder}" for each in found if each.manifest and not each.problem]
    trials = str(trials_file(settings.data_dir, "engine"))
    return ["--trials", trials, "--blame", str(blame(settings)), "--extension", *named]

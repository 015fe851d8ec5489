"""The extensions' server halves: found, tried, loaded; and which halves the engine is to load."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from webui import settings as settings_module
from webui.downloads import Access
from webui.errors import StartError
from webui.extensions import (
    Catalogue,
    Choices,
    Conduct,
    Found,
    OwnSettings,
    Trials,
    find,
    installed,
    of_server,
    trials_file,
)
from webui.extensions import (
    load as load_part,
)
from webui.installing import Git, Index, Installs, Pip, Tools
from webui.interfaces import ServerRegistry
from webui.settings import Settings

_logger = logging.getLogger(__name__)


def load(settings: Settings) -> tuple[ServerRegistry, Catalogue]:
    """Everything that is registered in this process, and what came of each extension. Raises
    StartError."""
    found = find(installed(settings.data_dir))
    disabled = _turned_off(settings)
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
    registry = of_server(shelves)
    catalogue = Catalogue(
        standings=tuple(standings),
        conduct=Conduct(),
        data_dir=settings.data_dir,
        safe_mode=settings.safe_mode,
        own_settings=OwnSettings(settings.data_dir, registry.settings_pages),
    )
    return registry, catalogue


def _turned_off(settings: Settings) -> frozenset[str]:
    """Raises StartError where nobody can say: none is loaded against somebody's will."""
    if settings.safe_mode:
        return frozenset()
    choices = Choices(settings.data_dir)
    try:
        disabled = choices.disabled()
    except OSError as error:
        raise StartError(
            f"{choices.path} cannot be read: {error.strerror}; it says which extensions are turned "
            "off: make it readable, or start with --safe-mode"
        ) from error
    if choices.notice:
        _logger.warning("%s", choices.notice)
    return disabled


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


def installs(settings: Settings, opened: ExitStack) -> Installs:
    """What `opened` closes."""
    environ = settings_module.environment()
    place = installed(settings.data_dir)
    shipped = [each.id for each in find(place) if each.origin == "shipped"]
    tools = Tools(Git(environ, private=settings.private_downloads), Pip(environ), place, shipped)
    kept = settings.data_dir / "extension-index.json"
    made = Installs(
        settings.data_dir,
        tools,
        Index(settings.extension_index, kept, Access(private=settings.private_downloads)),
        allowed=settings.extension_sources,
        forbidden=settings.no_installing,
    )
    opened.callback(made.close)
    return made


def blame(settings: Settings) -> Path:
    """The file that says which extension's hook the engine is in."""
    return settings.data_dir / "engine-hook"


def engine_arguments(settings: Settings) -> list[str]:
    """Which extensions the engine is to load its halves of. Raises StartError."""
    if settings.safe_mode:
        return []
    off = _turned_off(settings)
    found = [each for each in find(installed(settings.data_dir)) if each.id not in off]
    named = [f"{each.origin}:{each.folder}" for each in found if each.manifest and not each.problem]
    trials = str(trials_file(settings.data_dir, "engine"))
    return ["--trials", trials, "--blame", str(blame(settings)), "--extension", *named]

"""The extensions' server halves: found, tried, loaded; and a stage on which their tabs and routes
are tried before anybody sees them.
"""

import threading
from collections.abc import Sequence

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
    shelves, standings = load_part("server", builtin, found, trials, disabled, settings.safe_mode)
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

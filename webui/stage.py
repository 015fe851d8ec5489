"""A server without an engine, on which an extension's tabs and routes are tried before they are
built for real.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from webui import app
from webui import settings as settings_module
from webui.api import own_routes
from webui.backend import EngineState
from webui.errors import EngineDied
from webui.events import EngineEvent
from webui.extensions.registry import Tables
from webui.library import Library
from webui.request import GenerationRequest
from webui.services import Services
from webui.ui import page
from webui.wire import RunOptions


class NoEngine:
    """A backend with nothing behind it."""

    def run(
        self, job_id: str, request: GenerationRequest, options: RunOptions
    ) -> Generator[EngineEvent, None, str]:
        yield from ()
        raise EngineDied("this server has no engine")

    def call(self, name: str, args: Mapping[str, Any], timeout: float = 30) -> Any:
        raise EngineDied("this server has no engine")

    def restart(self) -> None:
        """Nothing to do."""

    def state(self) -> EngineState:
        return EngineState("dead", text="this server has no engine")

    def close(self) -> None:
        """Nothing to do."""


@contextmanager
def stage() -> Iterator[Services]:
    """A server with nothing but what ships, in a folder that goes away again."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as opened:
        folders = ["--data-dir", f"{place}/data", "--outputs", f"{place}/outputs"]
        settings = settings_module.read(
            [*folders, "--models-dir", f"{place}/models", "--safe-mode"], {}
        )
        Path(settings.data_dir).mkdir(parents=True)
        settings_module.apply_environment(settings)
        yield app.assemble(settings, Library(settings.models_dir), NoEngine(), opened)


def rehearse(services: Services, tables: Tables, id: str, told: Callable[[str], None]) -> None:
    """Builds what the extension has. Raises ExtensionError, and whatever the extension raises."""
    for _, route in tables.get("routes", ()):
        told("API routes")
        own_routes.built(id, route, services)
    for name, tab in tables.get("tabs", ()):
        told(f"tab {name}")
        page.rehearse(tab, services)

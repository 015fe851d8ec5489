"""An extension under test: its tables, and what the program would do with them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from PIL import Image

from webui import controls, prompt_blocks
from webui.events import Event
from webui.extensions import Catalogue, Conduct, Mishap, OwnSettings, Shelves, of_server, together
from webui.extensions.discovery import Found
from webui.extensions.loading import PACKAGE, Part, module_of, tables_of
from webui.extensions.manifest import read
from webui.extensions.registry import Tables
from webui.extensions.standing import Standing
from webui.inputs import Inputs
from webui.interfaces import ServerRegistry
from webui.listeners import Listeners
from webui.request import GenerationRequest
from webui.submitting import filtered
from webui.testing.results import Filtered, Made

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from webui.testing.pictures import Pictures

MODEL = "miniature"
_SMALL: dict[str, Any] = {
    "model": MODEL, "prompt": "a red fox", "seed": 1, "steps": 4, "width": 64, "height": 64,
}  # fmt: skip
_INPUTS = 2**30  # bytes of pictures to begin with


class Extension:
    def __init__(self, folder: Path | str, place: Path) -> None:
        """The extension in `folder`, loaded from its files as they are now. `place`: an empty
        folder for what is written, pytest's `tmp_path`.

        Raises ExtensionError for what the program would not load, and whatever the extension's own
        code raises on import or in its hooks.
        """
        self.folder = Path(folder).resolve()
        self.place = place
        self.manifest = read(self.folder)
        self._forget()
        self._tables: dict[Part, Tables] = {}
        self._conduct = _Noted()
        self._registry = self._server_registry()
        found = Found(self.manifest.id, self.folder, "installed", self.manifest)
        self._catalogue = Catalogue(
            standings=(Standing(found, "on"),),
            conduct=self._conduct,
            data_dir=place,
            own_settings=OwnSettings(place, self._registry.settings_pages),
        )
        self._pictures: Pictures | None = None

    @property
    def files(self) -> Path:
        """Its own folder in the data folder, `FilterContext.folder`; it may not be there yet."""
        return self._catalogue.folder(self.manifest.id)

    def tables(self, part: Part) -> Tables:
        """What its hooks of "server" or "engine" returned: table -> (name, entry) of each."""
        if part not in self._tables:
            has = getattr(self.manifest, part) is not None
            self._tables[part] = tables_of(self.folder, self.manifest, part) if has else {}
            if part == "engine":
                together.check_needs(self._tables[part], self.tables("server"))
        return self._tables[part]

    def module(self, part: Part) -> ModuleType:
        """Its own module, to call a function of it directly."""
        return module_of(self.folder, self.manifest, part)

    def request(self, **fields: Any) -> GenerationRequest:
        """A small request; `extras` may leave out what has its default. Raises InvalidRequest."""
        request = GenerationRequest(**(_SMALL | fields))
        return prompt_blocks.complete(self._registry, self._conduct, request)

    def picture(self, image: Image.Image) -> str:
        """Its name in a request, `InitImage(picture=...)`."""
        return Inputs(self.place / "inputs", _INPUTS).keep(image).sha256

    def filter(self, **fields: Any) -> Filtered:
        """What its request filters make of a request. Raises InvalidRequest where they do."""
        before = len(self._conduct.mishaps)
        asked: Any = _Asked(self._registry, self._catalogue)
        made = filtered(asked, self.request(**fields))
        return Filtered(requests=tuple(made), mishaps=tuple(self._conduct.mishaps[before:]))

    def text(self, request: GenerationRequest) -> tuple[str, ...]:
        """What a picture's text says of the extension."""
        return controls.notes(self._registry, self._conduct, request)

    def tell(self, *events: Event, job: str = "job-1") -> tuple[Mishap, ...]:
        """Its event listeners hear them, one after the other; gives what failed."""
        before = len(self._conduct.mishaps)
        listeners = Listeners(self._registry.event_listeners, self._conduct)
        for event in events:
            listeners.tell(job, event)
        listeners.close()
        return tuple(self._conduct.mishaps[before:])

    def run(self, **fields: Any) -> Made:
        """The pictures of a request, with all hooks of the extension that it asks for: filters, the
        engine, image operations. Raises what a job can fail for, `InvalidRequest` ..."""
        before, asked = len(self._conduct.mishaps), self.filter(**fields)
        made = self._engine().run(asked.requests)
        return replace(made, mishaps=tuple(self._conduct.mishaps[before:]))

    @contextmanager
    def client(self) -> "Iterator[TestClient]":
        """A client of a server with this extension and no engine, behind the same checks as ours:
        for its routes, settings and files, `client.get("/api/v1/extensions/ID/...")`."""
        from webui.testing.server import client  # late: it loads Gradio

        with client(self.manifest.id, self.tables("server"), self._catalogue) as made:
            yield made

    def _engine(self) -> "Pictures":
        if self._pictures is None:
            from webui.testing.pictures import Pictures  # late: it loads torch

            tables = self.tables("engine")
            self._pictures = Pictures(
                self.manifest.id,
                tables,
                self._conduct,
                self.place,
                self.text,
                prompt_blocks.own_kinds(self._registry),
            )
        return self._pictures

    def _server_registry(self) -> ServerRegistry:
        shelves = Shelves()
        shelves.add(self.manifest.id, self.tables("server"))
        return of_server(shelves)

    def _forget(self) -> None:
        """Its modules, which may be loaded from files as they were, or from another folder."""
        own = f"{PACKAGE}.{self.manifest.id}"
        for name in [each for each in sys.modules if f"{each}.".startswith(f"{own}.")]:
            del sys.modules[name]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of `Services` filters are asked with; the whole of them would need Gradio."""

    registry: ServerRegistry
    extensions: Catalogue


class _Noted(Conduct):
    """Keeps every mishap, not the last one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.mishaps: list[Mishap] = []

    def failed(self, owner: str, hook: str, error: BaseException) -> Mishap:
        mishap = super().failed(owner, hook, error)
        self.mishaps.append(mishap)
        return mishap

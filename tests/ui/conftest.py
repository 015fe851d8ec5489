"""The page on a server without an engine: what it needs of `Services`, and nothing behind it."""

import gc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from webui import builtin
from webui.backend import EngineState
from webui.errors import JobNotFound, ModelNotFound
from webui.extensions import Catalogue, server_registry
from webui.inputs import Inputs
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.sidecars import Sidecars
from webui.upscalers import Upscalers


class Line:
    """Remembers what was submitted."""

    def __init__(self) -> None:
        self.submitted: list[tuple[GenerationRequest, str]] = []

    def submit(self, request: GenerationRequest, *, id: str | None = None, owner: str = "") -> Any:
        self.submitted.append((request, owner))
        return SimpleNamespace(id=f"job{len(self.submitted)}", request=request, pictures=())

    def job(self, id: str) -> Any:
        raise JobNotFound(f"no job {id}")


class Library:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refreshed = 0
        self.names = ["small", "wide"]

    def entries(self) -> list[Any]:
        sizes = {"small": (128, 128), "wide": (768, 512), "broken": (512, 512)}
        return [
            SimpleNamespace(
                name=name,
                path=self.folder / name,
                native_width=sizes[name][0],
                native_height=sizes[name][1],
                scale_factor=8,
                layout="folder",
                unread=False,
                problem="no unet" if name == "broken" else None,
            )
            for name in self.names
        ]

    def vae_reports(self) -> list[Any]:
        return []

    vaes = vae_reports

    def vae_beside(self, entry: Any) -> None:
        return None

    def hash_ahead(self) -> None:
        pass

    def refresh(self) -> None:
        self.refreshed += 1

    def find(self, name: str) -> Any:
        for entry in self.entries():
            if entry.name == name:
                return entry
        raise ModelNotFound(name)

    def hash(self, name: str, at_once: bool = False) -> str:
        return ""  # not known

    def default(self) -> str | None:
        return self.names[0] if self.names else None


@pytest.fixture(autouse=True)
def gradio_leaves_event_loops_open() -> Iterator[None]:
    """They are collected here, where the tests' marks allow it, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture
def services(tmp_path: Path) -> Any:
    return SimpleNamespace(
        settings=SimpleNamespace(
            **{"outputs": tmp_path / "outputs", "host": "127.0.0.1", "port": 7860},
            **{"max_pixels": 2**24, "accounts": (), "quicksettings": ()},
        ),
        registry=server_registry({"builtin": builtin}),
        library=Library(tmp_path / "models"),
        sidecars=Sidecars(),
        line=Line(),
        inputs=Inputs(tmp_path / "inputs", 2**30),
        loras=Loras(tmp_path / "models"),
        upscalers=Upscalers(tmp_path / "models"),
        extensions=Catalogue(),
        backend=SimpleNamespace(state=lambda: EngineState("ready", "CPU", "", None, {})),
    )

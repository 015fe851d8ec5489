"""Every extension point: the whole list, each asked once at start, each returning a table.

`ServerHooks` are asked in the server process, `EngineHooks` in the engine's. What ships is
registered through the same hooks (`builtin.py`, `engine/builtin.py`). Two owners of one name are
an error that names both.
"""

from collections.abc import Mapping, Sequence

import pluggy

from webui.interfaces import (
    Family,
    PreviewDecoder,
    PreviewInfo,
    Resize,
    Route,
    SamplerEntry,
    SamplerInfo,
    Schedule,
    ScheduleInfo,
    Tab,
    UpscalerFamily,
    UpscalerInfo,
)

PROJECT = "darkroom"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class ServerHooks:
    @hookspec
    def register_samplers(self) -> Sequence[SamplerInfo]:  # type: ignore[empty-body]
        """What the page says of samplers; the engine side registers the functions."""

    @hookspec
    def register_schedules(self) -> Sequence[ScheduleInfo]:  # type: ignore[empty-body]
        """What the page says of schedules; the engine side registers the functions."""

    @hookspec
    def register_previews(self) -> Sequence[PreviewInfo]:  # type: ignore[empty-body]
        """What the page says of previews; the engine side registers the decoders."""

    @hookspec
    def register_upscalers(self) -> Sequence[UpscalerInfo]:  # type: ignore[empty-body]
        """What the page says of upscalers that need no file; the engine side registers the
        functions."""

    @hookspec
    def register_tabs(self) -> Sequence[Tab]:  # type: ignore[empty-body]
        """Tabs of the page, in order."""

    @hookspec
    def register_routes(self) -> Sequence[Route]:  # type: ignore[empty-body]
        """Functions from `Services` to a FastAPI router."""


class EngineHooks:
    @hookspec
    def register_samplers(self) -> Mapping[str, SamplerEntry]:  # type: ignore[empty-body]
        """Samplers by name."""

    @hookspec
    def register_schedules(self) -> Mapping[str, Schedule]:  # type: ignore[empty-body]
        """Noise schedules by name."""

    @hookspec
    def register_families(self) -> Mapping[str, Family]:  # type: ignore[empty-body]
        """Model families, by the name that the library calls what is theirs."""

    @hookspec
    def register_previews(self) -> Mapping[str, PreviewDecoder]:  # type: ignore[empty-body]
        """Decoders from latents to something to look at, by name."""

    @hookspec
    def register_upscalers(self) -> Mapping[str, Resize]:  # type: ignore[empty-body]
        """Upscalers that need no file, by name."""

    @hookspec
    def register_upscaler_families(  # type: ignore[empty-body]
        self,
    ) -> Mapping[str, UpscalerFamily]:
        """Networks by name; the first that recognises an upscaler's file loads it."""

"""Every extension point: the whole list, each asked once at start, each returning a table.

`ServerHooks` are asked in the server process, `EngineHooks` in the engine's. What ships is
registered through the same hooks (`builtin.py`, `engine/builtin.py`). Two owners of one name are
an error that names both.
"""

from collections.abc import Mapping, Sequence

import pluggy

from webui.interfaces import (
    Axis,
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
from webui.interfaces.engine_hooks import (
    AttentionProcessor,
    ConditioningTransform,
    DenoiserWrapper,
    ImageOperation,
    StepListener,
)
from webui.interfaces.server_hooks import (
    ControlGroup,
    EventListener,
    MetadataField,
    PageFile,
    PromptBlock,
    RequestFilter,
    SendTarget,
    SettingsPage,
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
        """Functions from `Services` to a FastAPI router; an extension's addresses all begin with
        /api/v1/extensions/ and its id."""

    @hookspec
    def register_controls(self) -> Sequence[ControlGroup]:  # type: ignore[empty-body]
        """Inputs on the generating tabs; page, API and metadata read the one declaration."""

    @hookspec
    def register_request_filters(self) -> Sequence[RequestFilter]:  # type: ignore[empty-body]
        """What changes a request before it becomes a job, or makes several jobs of it."""

    @hookspec
    def register_prompt_blocks(self) -> Sequence[PromptBlock]:  # type: ignore[empty-body]
        """Kinds of tags in the prompt, <kind:...>, and what their arguments come to."""

    @hookspec
    def register_event_listeners(self) -> Sequence[EventListener]:  # type: ignore[empty-body]
        """What is told of everything that happens to jobs."""

    @hookspec
    def register_metadata_fields(self) -> Sequence[MetadataField]:  # type: ignore[empty-body]
        """Keys of a picture's text that no control has."""

    @hookspec
    def register_axes(self) -> Sequence[Axis]:  # type: ignore[empty-body]
        """Axes of plots that are no plain field; fields are axes by their declaration."""

    @hookspec
    def register_settings_pages(self) -> Sequence[SettingsPage]:  # type: ignore[empty-body]
        """What is set once for an extension, and kept."""

    @hookspec
    def register_send_targets(self) -> Sequence[SendTarget]:  # type: ignore[empty-body]
        """Where a finished picture can be sent to."""

    @hookspec
    def register_scripts(self) -> Sequence[PageFile]:  # type: ignore[empty-body]
        """Scripts of the page, each run apart: what fails in one stops no other."""

    @hookspec
    def register_styles(self) -> Sequence[PageFile]:  # type: ignore[empty-body]
        """Style sheets of the page."""


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

    @hookspec
    def register_conditioning_transforms(  # type: ignore[empty-body]
        self,
    ) -> Sequence[ConditioningTransform]:
        """What is done to the prompts' encodings before the network looks at them."""

    @hookspec
    def register_denoiser_wrappers(self) -> Sequence[DenoiserWrapper]:  # type: ignore[empty-body]
        """What stands around guidance: a denoiser of a denoiser."""

    @hookspec
    def register_attention_processors(  # type: ignore[empty-body]
        self,
    ) -> Sequence[AttentionProcessor]:
        """What stands around the network's attentions, for a job that asks for it."""

    @hookspec
    def register_step_listeners(self) -> Sequence[StepListener]:  # type: ignore[empty-body]
        """What is shown every step."""

    @hookspec
    def register_image_operations(self) -> Sequence[ImageOperation]:  # type: ignore[empty-body]
        """What is done to a finished picture before it is saved."""

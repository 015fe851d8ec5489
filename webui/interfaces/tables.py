"""What the server says of samplers, schedules, previews, upscalers: names and words, no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from webui.interfaces.axes import Axis
from webui.interfaces.server_hooks import (
    ControlGroup,
    EventListener,
    MetadataField,
    Owned,
    PageFile,
    PromptBlock,
    RequestFilter,
    SendTarget,
    SettingsPage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerInfo:
    name: str  # A1111's
    aliases: tuple[str, ...] = ()
    order: int = 1
    calls: int = 1  # of the model, a step
    random: bool = False  # draws fresh noise on the way
    automatic: str = "Uniform"  # the schedule that "Automatic" means for it
    parameters: tuple[str, ...] = ()  # those of `request.SamplingOptions` that it has
    orders: tuple[int, ...] = ()  # what `order` may be, the default first
    solver_types: tuple[str, ...] = ()  # what `solver_type` may be, the default first
    flow: bool = False  # runs with models of rectified flows
    one_by_one: bool = False  # its steps depend on the picture: a batch is made of one
    help: str = ""  # what it is good for


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInfo:
    name: str  # A1111's
    aliases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()  # those of `request.ScheduleOptions` that it has
    flow: bool = False  # means something for models of rectified flows
    help: str = ""  # what it is good for


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewInfo:
    name: str
    label: str
    help: str = ""
    by_tiny_decoder: bool = False  # there only where such a file is


UpscalerKind = Literal["latent", "interpolation", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscalerInfo:
    """One that needs no file; those that do are listed by `webui.upscalers`."""

    name: str  # A1111's
    kind: UpscalerKind
    help: str = ""  # what it is good for


class Tab(Protocol):
    """A tab of the page. `build` is called inside its gr.Tab and may use all of Gradio."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    def build(self, services: Any, quick: Any) -> None:
        """`services` is a `webui.services.Services`, `quick` the `QuickSettings` above all tabs:
        `quick.fields` are components that a form has from there."""
        ...


# A function from Services to a FastAPI router; routers fall under the guard like everything else.
Route = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ServerRegistry:
    """What the server side of all extensions and of the built-ins registered, by name."""

    samplers: Mapping[str, SamplerInfo]
    schedules: Mapping[str, ScheduleInfo]
    previews: Mapping[str, PreviewInfo]
    upscalers: Mapping[str, UpscalerInfo]
    tabs: Sequence[Tab]
    routes: Sequence[Route]
    controls: Mapping[str, ControlGroup] = field(default_factory=dict)
    request_filters: Sequence[Owned[RequestFilter]] = ()
    prompt_blocks: Mapping[str, Owned[PromptBlock]] = field(default_factory=dict)  # by kind
    settings_pages: Sequence[Owned[SettingsPage]] = ()
    send_targets: Sequence[Owned[SendTarget]] = ()
    event_listeners: Sequence[Owned[EventListener]] = ()
    metadata_fields: Mapping[str, Owned[MetadataField]] = field(default_factory=dict)
    axes: Mapping[str, Owned[Axis]] = field(default_factory=dict)  # of plots, by label
    scripts: Sequence[Owned[PageFile]] = ()
    styles: Sequence[Owned[PageFile]] = ()
    owners: Mapping[str, str] = field(default_factory=dict)  # tab or control group -> extension
    own_routes: Sequence[Owned[Route]] = ()  # of extensions, below their own addresses

"""Darkroom: what extensions may import; nothing else is public.

Imports nothing outside the standard library, and nothing of its own before it is asked for:
`launch.py` reads it under a bare Python, and the engine needs no page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webui.axes import axes_of
    from webui.errors import (
        DarkroomError,
        Failure,
        InvalidRequest,
        ModelRefused,
    )
    from webui.events import (
        Edited,
        Event,
        Finished,
        Held,
        Picture,
        Preview,
        Queued,
        Rendered,
        Resumed,
        Saved,
        Skipped,
        Stage,
        Started,
        Warned,
    )
    from webui.events import (
        Step as StepMade,
    )
    from webui.fields import (
        ChoiceField,
        FlagField,
        FormField,
        IntegerField,
        NumberField,
        TextField,
    )
    from webui.hookspecs import hookimpl
    from webui.interfaces import (
        Autoencoder,
        Axis,
        Conditioning,
        Denoiser,
        Family,
        LatentResize,
        Levels,
        Model,
        Noise,
        Pace,
        PictureResize,
        PreviewDecoder,
        PreviewInfo,
        Resize,
        Route,
        Sampler,
        SamplerEntry,
        SamplerInfo,
        Schedule,
        ScheduleInfo,
        Tab,
        TextEncoder,
        UpscalerFamily,
        UpscalerInfo,
        UpscalerNetwork,
        WholeTextEncoder,
    )
    from webui.interfaces import (
        Step as SamplerStep,
    )
    from webui.interfaces.engine_hooks import (
        Attend,
        AttentionPlace,
        AttentionProcessor,
        ConditioningPlace,
        ConditioningTransform,
        DenoiserWrapper,
        ImageOperation,
        PictureView,
        StepListener,
        StepSeen,
        TurnView,
        Word,
        WrapAttention,
    )
    from webui.interfaces.server_hooks import (
        ControlGroup,
        EventListener,
        FilterContext,
        MetadataField,
        PageFile,
        PromptBlock,
        RequestFilter,
        SendTarget,
        SettingsPage,
    )
    from webui.library import (
        ModelEntry,
        TinyDecoder,
    )
    from webui.prompt import Tag
    from webui.request import (
        GenerationRequest,
        Hires,
        InitImage,
        Loopback,
        Mask,
        Outpaint,
        Resume,
        SamplingOptions,
        ScheduleOptions,
        Tiles,
        Upscale,
        Variation,
        from_dict,
        to_dict,
    )
    from webui.request.several import (
        with_seed,
        without,
    )
    from webui.services import (
        Services,
        request_of,
    )
    from webui.submitting import save_sheet
    from webui.upscalers import UpscalerFile

__version__ = "0.1.0"

__all__ = [
    "Attend",
    "AttentionPlace",
    "AttentionProcessor",
    "Autoencoder",
    "Axis",
    "ChoiceField",
    "Conditioning",
    "ConditioningPlace",
    "ConditioningTransform",
    "ControlGroup",
    "DarkroomError",
    "Denoiser",
    "DenoiserWrapper",
    "Edited",
    "Event",
    "EventListener",
    "Failure",
    "Family",
    "FilterContext",
    "Finished",
    "FlagField",
    "FormField",
    "GenerationRequest",
    "Held",
    "Hires",
    "ImageOperation",
    "InitImage",
    "IntegerField",
    "InvalidRequest",
    "LatentResize",
    "Levels",
    "Loopback",
    "Mask",
    "MetadataField",
    "Model",
    "ModelEntry",
    "ModelRefused",
    "Noise",
    "NumberField",
    "Outpaint",
    "Pace",
    "PageFile",
    "Picture",
    "PictureResize",
    "PictureView",
    "Preview",
    "PreviewDecoder",
    "PreviewInfo",
    "PromptBlock",
    "Queued",
    "Rendered",
    "RequestFilter",
    "Resize",
    "Resume",
    "Resumed",
    "Route",
    "Sampler",
    "SamplerEntry",
    "SamplerInfo",
    "SamplerStep",
    "SamplingOptions",
    "Saved",
    "Schedule",
    "ScheduleInfo",
    "ScheduleOptions",
    "SendTarget",
    "Services",
    "SettingsPage",
    "Skipped",
    "Stage",
    "Started",
    "StepListener",
    "StepMade",
    "StepSeen",
    "Tab",
    "Tag",
    "TextEncoder",
    "TextField",
    "Tiles",
    "TinyDecoder",
    "TurnView",
    "Upscale",
    "UpscalerFamily",
    "UpscalerFile",
    "UpscalerInfo",
    "UpscalerNetwork",
    "Variation",
    "Warned",
    "WholeTextEncoder",
    "Word",
    "WrapAttention",
    "axes_of",
    "from_dict",
    "hookimpl",
    "request_of",
    "save_sheet",
    "to_dict",
    "with_seed",
    "without",
]

_PLACES = {
    "webui.axes": ("axes_of",),
    "webui.errors": ("DarkroomError", "Failure", "InvalidRequest", "ModelRefused",),
    "webui.events": (
        "Edited", "Event", "Finished", "Held", "Picture", "Preview", "Queued", "Rendered",
        "Resumed", "Saved", "Skipped", "Stage", "Started", "Warned",
    ),
    "webui.fields": (
        "ChoiceField", "FlagField", "FormField", "IntegerField", "NumberField", "TextField",
    ),
    "webui.hookspecs": ("hookimpl",),
    "webui.interfaces": (
        "Autoencoder", "Axis", "Conditioning", "Denoiser", "Family", "LatentResize",
        "Levels", "Model", "Noise", "Pace", "PictureResize", "PreviewDecoder",
        "PreviewInfo", "Resize", "Route", "Sampler", "SamplerEntry", "SamplerInfo",
        "Schedule", "ScheduleInfo", "Tab", "TextEncoder", "UpscalerFamily", "UpscalerInfo",
        "UpscalerNetwork", "WholeTextEncoder",
    ),
    "webui.interfaces.engine_hooks": (
        "Attend", "AttentionPlace", "AttentionProcessor", "ConditioningPlace",
        "ConditioningTransform", "DenoiserWrapper", "ImageOperation", "PictureView",
        "StepListener", "StepSeen", "TurnView", "Word", "WrapAttention",
    ),
    "webui.interfaces.server_hooks": (
        "ControlGroup", "EventListener", "FilterContext", "MetadataField", "PageFile",
        "PromptBlock", "RequestFilter", "SendTarget", "SettingsPage",
    ),
    "webui.library": ("ModelEntry", "TinyDecoder",),
    "webui.prompt": ("Tag",),
    "webui.request": (
        "GenerationRequest", "Hires", "InitImage", "Loopback", "Mask", "Outpaint", "Resume",
        "SamplingOptions", "ScheduleOptions", "Tiles", "Upscale", "Variation", "from_dict",
        "to_dict",
    ),
    "webui.request.several": ("with_seed", "without",),
    "webui.services": ("Services", "request_of",),
    "webui.submitting": ("save_sheet",),
    "webui.upscalers": ("UpscalerFile",),
}  # fmt: skip
_PLACE = {name: (module, name) for module, names in _PLACES.items() for name in names} | {
    # of one name where they stand: what a sampler yields, and what is told of a job
    "SamplerStep": ("webui.interfaces", "Step"),
    "StepMade": ("webui.events", "Step"),
}


def __getattr__(name: str) -> Any:
    """A public name, from where it stands."""
    if name not in _PLACE:
        raise AttributeError(f"module 'webui' has no attribute {name!r}")
    module, there = _PLACE[name]
    return getattr(import_module(module), there)

"""Darkroom: what extensions may import; nothing else is public.

Imports nothing outside the standard library, and nothing of its own before it is asked for:
`launch.py` reads it under a bare Python, and the engine needs no page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webui.axes import axes_of
    from webui.errors import DarkroomError, InvalidRequest
    from webui.events import Event, Finished, Rendered, Saved, Started, Step
    from webui.fields import ChoiceField, FlagField, IntegerField, NumberField, TextField
    from webui.hookspecs import hookimpl
    from webui.interfaces import (
        Axis,
        Conditioning,
        Denoiser,
        Model,
        PictureResize,
        PreviewInfo,
        SamplerEntry,
        SamplerInfo,
        ScheduleInfo,
        UpscalerInfo,
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
    from webui.prompt import Tag
    from webui.request import GenerationRequest, InitImage, from_dict, to_dict
    from webui.services import Services, request_of
    from webui.submitting import save_sheet

__version__ = "0.1.0"

__all__ = [
    "Attend",
    "AttentionPlace",
    "AttentionProcessor",
    "Axis",
    "ChoiceField",
    "Conditioning",
    "ConditioningPlace",
    "ConditioningTransform",
    "ControlGroup",
    "DarkroomError",
    "Denoiser",
    "DenoiserWrapper",
    "Event",
    "EventListener",
    "FilterContext",
    "Finished",
    "FlagField",
    "GenerationRequest",
    "ImageOperation",
    "InitImage",
    "IntegerField",
    "InvalidRequest",
    "MetadataField",
    "Model",
    "NumberField",
    "PageFile",
    "PictureResize",
    "PictureView",
    "PreviewInfo",
    "PromptBlock",
    "Rendered",
    "RequestFilter",
    "SamplerEntry",
    "SamplerInfo",
    "Saved",
    "ScheduleInfo",
    "SendTarget",
    "Services",
    "SettingsPage",
    "Started",
    "Step",
    "StepListener",
    "StepSeen",
    "Tag",
    "TextField",
    "TurnView",
    "UpscalerInfo",
    "Word",
    "axes_of",
    "from_dict",
    "hookimpl",
    "request_of",
    "save_sheet",
    "to_dict",
]

_PLACES = {
    "webui.axes": ("axes_of",),
    "webui.errors": ("DarkroomError", "InvalidRequest"),
    "webui.events": ("Event", "Finished", "Rendered", "Saved", "Started", "Step"),
    "webui.fields": ("ChoiceField", "FlagField", "IntegerField", "NumberField", "TextField"),
    "webui.hookspecs": ("hookimpl",),
    "webui.interfaces": (
        "Axis", "Conditioning", "Denoiser", "Model", "PictureResize", "PreviewInfo", "SamplerEntry",
        "SamplerInfo", "ScheduleInfo", "UpscalerInfo",
    ),
    "webui.interfaces.engine_hooks": (
        "Attend", "AttentionPlace", "AttentionProcessor", "ConditioningPlace",
        "ConditioningTransform", "DenoiserWrapper", "ImageOperation", "PictureView",
        "StepListener", "StepSeen", "TurnView", "Word",
    ),
    "webui.interfaces.server_hooks": (
        "ControlGroup", "EventListener", "FilterContext", "MetadataField", "PageFile",
        "PromptBlock", "RequestFilter", "SendTarget", "SettingsPage",
    ),
    "webui.prompt": ("Tag",),
    "webui.request": ("GenerationRequest", "InitImage", "from_dict", "to_dict"),
    "webui.services": ("Services", "request_of"),
    "webui.submitting": ("save_sheet",),
}  # fmt: skip
_PLACE = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from where it stands."""
    if name not in _PLACE:
        raise AttributeError(f"module 'webui' has no attribute {name!r}")
    return getattr(import_module(_PLACE[name]), name)

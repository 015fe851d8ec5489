"""The tables of the engine: what is registered in its process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webui.interfaces import (
        Family,
        PreviewDecoder,
        Resize,
        SamplerEntry,
        Schedule,
        UpscalerFamily,
    )
    from webui.interfaces.engine_hooks import (
        AttentionProcessor,
        ConditioningTransform,
        DenoiserWrapper,
        ImageOperation,
        StepListener,
    )
    from webui.interfaces.server_hooks import Owned


@dataclass(frozen=True, slots=True)
class EngineRegistry:
    """What the engine side registered, and who did; how an extension's is called, `engine.entries`
    knows."""

    samplers: Mapping[str, Owned[SamplerEntry]]
    schedules: Mapping[str, Owned[Schedule]]
    families: Mapping[str, Owned[Family]]
    previews: Mapping[str, Owned[PreviewDecoder]]
    upscalers: Mapping[str, Owned[Resize]]
    upscaler_families: Mapping[str, Owned[UpscalerFamily]]
    conditioning_transforms: Sequence[Owned[ConditioningTransform]] = ()
    denoiser_wrappers: Sequence[Owned[DenoiserWrapper]] = ()
    attention_processors: Sequence[Owned[AttentionProcessor]] = ()
    step_listeners: Sequence[Owned[StepListener]] = ()
    image_operations: Sequence[Owned[ImageOperation]] = ()

"""What ships, on the engine's side, registered through the public hooks."""

from collections.abc import Mapping

from webui.engine.families import FAMILIES
from webui.engine.previews import PREVIEWS
from webui.engine.samplers import ENTRIES
from webui.engine.schedules import SCHEDULES
from webui.engine.upscalers import UPSCALER_FAMILIES, UPSCALERS
from webui.hookspecs import hookimpl
from webui.interfaces import (
    Family,
    PreviewDecoder,
    Resize,
    SamplerEntry,
    Schedule,
    UpscalerFamily,
)


@hookimpl
def register_samplers() -> Mapping[str, SamplerEntry]:
    return ENTRIES


@hookimpl
def register_schedules() -> Mapping[str, Schedule]:
    return SCHEDULES


@hookimpl
def register_families() -> Mapping[str, Family]:
    return FAMILIES


@hookimpl
def register_previews() -> Mapping[str, PreviewDecoder]:
    return PREVIEWS


@hookimpl
def register_upscalers() -> Mapping[str, Resize]:
    return UPSCALERS


@hookimpl
def register_upscaler_families() -> Mapping[str, UpscalerFamily]:
    return UPSCALER_FAMILIES

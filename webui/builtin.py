"""What ships, registered through the hooks that extensions use; the server's side.

The engine's side is `engine/builtin.py`; samplers, schedules and previews meet it by name.
"""

from collections.abc import Sequence

from webui.api.routes import ROUTES
from webui.hookspecs import hookimpl
from webui.interfaces import PreviewInfo, Route, SamplerInfo, ScheduleInfo, Tab
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS
from webui.ui.tabs import TABS


@hookimpl
def register_samplers() -> Sequence[SamplerInfo]:
    return SAMPLER_INFOS


@hookimpl
def register_schedules() -> Sequence[ScheduleInfo]:
    return SCHEDULE_INFOS


@hookimpl
def register_previews() -> Sequence[PreviewInfo]:
    return (
        PreviewInfo(name="fast", label="Fast", help="Small and nearly free: a guess per pixel."),
        PreviewInfo(name="vae", label="Full", help="Through the model's decoder: exact and slow."),
    )


@hookimpl
def register_tabs() -> Sequence[Tab]:
    return TABS


@hookimpl
def register_routes() -> Sequence[Route]:
    return ROUTES

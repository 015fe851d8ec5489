"""What ships, registered through the hooks that extensions use; the server's side.

The engine's side is `engine/builtin.py`; samplers, schedules and previews meet it by name.
"""

from collections.abc import Sequence

from webui.api.routes import ROUTES
from webui.hookspecs import hookimpl
from webui.interfaces import PreviewInfo, Route, SamplerInfo, ScheduleInfo, Tab
from webui.ui.tabs import TABS


@hookimpl
def register_samplers() -> Sequence[SamplerInfo]:
    return (
        SamplerInfo(
            name="DPM++ 2M",
            aliases=("dpmpp_2m", "k_dpmpp_2m"),
            order=2,
            help="Second order from the step before: good pictures in 15 to 25 steps.",
        ),
        SamplerInfo(
            name="Euler",
            aliases=("k_euler",),
            help="The plain rule: a straight step along the slope.",
        ),
        SamplerInfo(
            name="Euler a",
            aliases=("euler_ancestral", "k_euler_a", "k_euler_ancestral"),
            random=True,
            help="Euler with fresh noise in each step; the picture changes with their number.",
        ),
    )


@hookimpl
def register_schedules() -> Sequence[ScheduleInfo]:
    return (
        ScheduleInfo(name="Automatic", help="What suits the sampler."),
        ScheduleInfo(name="Uniform", help="Steps evenly spread over the model's own levels."),
        ScheduleInfo(name="Karras", help="Smaller steps towards the end, where details form."),
    )


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

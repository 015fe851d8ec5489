"""What ships, registered through the hooks that extensions use; the server's side.

The engine's side is `engine/builtin.py`; samplers, schedules and previews meet it by name.
"""

import logging
from collections.abc import Sequence

from webui import prompt_blocks
from webui.api import sdapi
from webui.api.routes import ROUTES
from webui.events import Event, Finished, Resumed, Saved, Started, Warned
from webui.hookspecs import hookimpl
from webui.interfaces import PreviewInfo, Route, SamplerInfo, ScheduleInfo, Tab, UpscalerInfo
from webui.interfaces.server_hooks import EventListener, PromptBlock, SendTarget
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS
from webui.ui.tabs import TABS

_logger = logging.getLogger(__name__)


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
        PreviewInfo(
            name="tiny",
            label="Tiny",
            help="Through a small decoder in vae_approx/: nearly exact, for little time.",
            by_tiny_decoder=True,
        ),
        PreviewInfo(name="vae", label="Full", help="Through the model's decoder: exact and slow."),
    )


@hookimpl
def register_upscalers() -> Sequence[UpscalerInfo]:
    def latent(mode: str, help: str) -> UpscalerInfo:
        return UpscalerInfo(name=f"Latent{mode}", kind="latent", help=help)

    return (
        latent("", "The latent, bilinear: soft, and repainted by a strength of 0.5 and up."),
        latent(" (antialiased)", "As Latent; differs where a picture becomes smaller."),
        latent(" (bicubic)", "The latent, bicubic: a little sharper."),
        latent(" (bicubic antialiased)", "As bicubic; differs where a picture becomes smaller."),
        latent(" (nearest)", "The latent's cells repeated: hard edges, much is made anew."),
        latent(" (nearest-exact)", "As nearest, its cells exactly in the middle."),
        UpscalerInfo(name="Lanczos", kind="interpolation", help="Smooth; adds nothing."),
        UpscalerInfo(name="Nearest", kind="interpolation", help="Pixels repeated: pixel art."),
    )


@hookimpl
def register_tabs() -> Sequence[Tab]:
    return TABS


@hookimpl
def register_routes() -> Sequence[Route]:
    return (*ROUTES, sdapi.router)


@hookimpl
def register_prompt_blocks() -> Sequence[PromptBlock]:
    return prompt_blocks.SHIPPED


@hookimpl
def register_send_targets() -> Sequence[SendTarget]:
    """Which the page's own scripts receive."""
    return tuple(
        SendTarget(name=name, label=label, help=f"Send the picture to {label}, with its recipe")
        for name, label in (
            ("txt2img", "txt2img"),
            ("img2img", "img2img"),
            ("inpaint", "Inpaint"),
            ("extras", "Upscale"),
        )
    )


@hookimpl
def register_event_listeners() -> Sequence[EventListener]:
    return (EventListener(hear=log_event, kinds=(Finished, Resumed, Saved, Started, Warned)),)


def log_event(job_id: str, event: Event) -> None:
    """Writes to the log file what is not a mere step."""
    if isinstance(event, Saved):  # without the request, whose prompt may be long
        _logger.info("job %s: saved picture %d: %s", job_id, event.image, event.path)
    else:
        _logger.info("job %s: %s", job_id, event)

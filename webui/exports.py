"""The denoising of one picture as a film, an animation or a sheet.

Its frames are drawn by the engine, between the steps of whatever it runs; nothing is kept.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

from PIL import Image

from webui import names
from webui.animations import FORMATS, labelled
from webui.branches import Kept, kept
from webui.errors import InvalidRequest, WrongState
from webui.events import Look, Picture, ViewKind
from webui.fields import ChoiceField, IntegerField, NumberField
from webui.interfaces import PreviewInfo
from webui.services import Services

VIEWS: Mapping[str, tuple[ViewKind, ...]] = {
    "noisy": ("noisy",),
    "predicted": ("predicted",),
    "both": ("noisy", "predicted"),
    "guidance": ("unprompted", "prompted", "predicted"),
}
MOST_PIXELS = 64 * 2**20  # of all frames together; beyond it they are made smaller
_AT_ONCE = {"fast": 8}  # frames asked of the engine together; of others, that take longer, one
_FIELDS = (
    ChoiceField(
        name="format", label="Format", help="What kind of file.", default="mp4",
        choices=tuple(FORMATS),
    ),
    ChoiceField(
        name="view", label="View", help="What is shown of a step.", default="predicted",
        choices=tuple(VIEWS),
    ),
    NumberField(
        name="rate", label="Frame rate", help="Steps a second.", default=8.0, minimum=0.5,
        maximum=60.0, step=0.5,
    ),
    IntegerField(
        name="size", label="Size", help="The longer side of a view, in pixels.", default=512,
        minimum=64, maximum=1024,
    ),
    ChoiceField(name="method", label="Method", help="How steps are drawn.", default="fast"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is wanted. Raises InvalidRequest, naming the field."""

    format: str = "mp4"  # one of FORMATS
    view: str = "predicted"  # one of VIEWS
    method: str = "fast"  # preview method
    rate: float = 8.0  # frames a second
    size: int = 512  # pixels, of the longer side of a view; a sheet's are a third of it

    def __post_init__(self) -> None:
        for declared in _FIELDS:
            declared.check(getattr(self, declared.name))


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    media_type: str
    name: str


def wanted(values: Mapping[str, Any]) -> Export:
    """Raises InvalidRequest."""
    known = {each.name for each in fields(Export)}
    for name in values:
        if name not in known:
            raise InvalidRequest(name[:80], f"is not a field; known are {sorted(known)}")
    return Export(**values)


def methods(services: Services) -> list[PreviewInfo]:
    """Ways to draw a step that are there; the tiny decoder is where there is a file of one."""
    tiny = bool(services.library.tiny_decoders())
    return [
        each for each in services.registry.previews.values() if tiny or not each.by_tiny_decoder
    ]


def export(services: Services, job_id: str, image: int, asked: Export, turn: int = 0) -> File:
    """Raises JobNotFound, WrongState if nothing is kept, InvalidRequest, EngineBusy, EngineDied."""
    known = [each.name for each in methods(services)]
    if asked.method not in known:
        raise InvalidRequest("method", names.unknown(asked.method, known))
    found = kept(services, job_id, image, turn=turn)
    views = VIEWS[asked.view]
    size = _size(found, asked, len(views))
    with ThreadPoolExecutor(_AT_ONCE.get(asked.method, 1), "export") as pool:
        frames = list(
            pool.map(
                lambda step: _frame(services, found, step, views, asked.method, size),
                range(1, len(found.steps) + 1),
            )
        )
    if asked.format == "sheet":
        texts = [f"{step.step}  sigma {step.sigma:.3g}" for step in found.steps]
        frames = [labelled(*each) for each in zip(frames, texts, strict=True)]
    made = FORMATS[asked.format]
    suffix = "jpg" if asked.format == "sheet" else asked.format
    data = made.encode(frames, asked.rate)
    return File(data, made.media_type, f"{found.job.id}-{image}-{asked.view}.{suffix}")


def _size(found: Kept, asked: Export, views: int) -> tuple[int, int]:
    """(width, height) of one view, even, with all frames within MOST_PIXELS."""
    request = found.job.request
    longest = asked.size // 3 if asked.format == "sheet" else asked.size
    scale = longest / max(request.width, request.height)
    pixels = len(found.steps) * views * request.width * request.height
    scale = min(scale, (MOST_PIXELS / pixels) ** 0.5)
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (request.width, request.height))
    return width, height


def _frame(
    services: Services,
    found: Kept,
    step: int,
    views: tuple[ViewKind, ...],
    method: str,
    size: tuple[int, int],
) -> Image.Image:
    """The views of a step side by side, RGB."""
    made = Image.new("RGB", (size[0] * len(views), size[1]))
    for place, kind in enumerate(views):
        look = Look(found.batch, step, kind, method, found.position, found.turn)
        drawn = services.line.picture(found.job.id, look)
        if drawn is None:
            what = f"{kind} view of step {step}"
            raise WrongState(f"the {what} of picture {found.image} is not kept (any more)")
        made.paste(_scaled(drawn, size), (place * size[0], 0))
    return made


def _scaled(drawn: Picture, size: tuple[int, int]) -> Image.Image:
    image = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.rgb)
    return image.resize(size, Image.Resampling.BICUBIC) if image.size != size else image

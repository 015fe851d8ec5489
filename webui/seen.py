"""What the model sees of a picture, before anything runs: the frame that the engine will make.

Knows neither Gradio nor FastAPI.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from webui import inputs
from webui.errors import EngineBusy, InvalidRequest
from webui.inputs import Inputs
from webui.masking import Box, Frame, at_latent_size, framed
from webui.request import GenerationRequest
from webui.services import Services, request_of

_TAKEN = ("init", "width", "height", "model")
_QUOTA = 128 * 2**20  # bytes of pictures that were shown
_PATIENCE = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Seen:
    crop: Box | None  # of the picture, or of the grown canvas; None: all of it
    size: tuple[int, int]  # what the model works at, pixels
    latent: tuple[int, int]
    result: tuple[int, int]  # what the finished picture will have, pixels
    start: str  # sha256 of pictures in `Looks`
    mask: str | None
    latent_mask: str | None


class Looks:
    """Makes them, one at a time: a large picture's takes memory. Keeps their pictures a while."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turn = threading.BoundedSemaphore(1)
        self.shown = Inputs(services.settings.data_dir / "seen", _QUOTA)

    def look(self, values: Mapping[str, Any]) -> Seen:
        """{"init": {...}, "width"?, "height"?, "model"?}. Raises InvalidRequest, EngineBusy,
        NotSaved."""
        for name in values:
            if name not in _TAKEN:
                raise InvalidRequest(name[:80], f"is not a field; known are {', '.join(_TAKEN)}")
        request = request_of(self._services, {**values, "seed": 0})
        if request.init is None:
            raise InvalidRequest("init", "is missing: it says what the model is to see")
        if request.init.tiles is not None:
            raise InvalidRequest("init.tiles", "the model sees one tile after the other; leave out")
        if not self._turn.acquire(timeout=_PATIENCE):
            raise EngineBusy("other pictures are being looked at; try again")
        try:
            return self._made(request)
        finally:
            self._turn.release()

    def _made(self, request: GenerationRequest) -> Seen:
        init, folder = request.init, self._services.inputs.folder
        assert init is not None
        cell = self._services.library.find(request.model).scale_factor
        picture = inputs.read(folder, "init.picture", init.picture)
        drawn = None
        if init.mask is not None:
            drawn = inputs.read(folder, "init.mask.picture", init.mask.picture)
        frame = framed(picture, drawn, init, request.width, request.height, cell)
        soft = init.mask is not None and init.mask.soft
        whole = frame.whole.size if frame.whole else (request.width, request.height)
        return Seen(
            frame.crop if init.outpaint is None else None,
            (request.width, request.height),
            (request.width // cell, request.height // cell),
            whole,
            self._kept(frame.start),
            self._kept(frame.mask) if frame.mask else None,
            self._kept(_cells(frame, cell, soft)) if frame.mask else None,
        )

    def _kept(self, image: Image.Image) -> str:
        return self.shown.keep(image).sha256


def _cells(frame: Frame, cell: int, soft: bool) -> Image.Image:
    assert frame.mask is not None
    values = at_latent_size(frame.mask, cell, soft) * 255
    return Image.fromarray(np.rint(values).astype(np.uint8))

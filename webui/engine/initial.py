"""The pictures that requests begin with, as files, and how they lie before the model.

No model is known here, so that a kept step can be drawn again in its place without one.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from webui import inputs as store
from webui.engine.turns import View
from webui.errors import InvalidRequest
from webui.masking import Frame, framed
from webui.request import GenerationRequest, InitImage

Read = Callable[[str, str], Image.Image]  # (field, sha256) -> the picture


def sent_in(folder: Path | None, field: str, sha256: str) -> Image.Image:
    """A picture that was sent in. Raises InvalidRequest, for `field`."""
    if folder is None:
        raise InvalidRequest(field, "needs a folder of pictures, which is not given here")
    return store.read(folder, field, sha256)


def frame_of(request: GenerationRequest, init: InitImage, read: Read, factor: int) -> Frame:
    """What the model is shown of a request's picture; `factor`: pixels of a latent cell.

    Raises InvalidRequest.
    """
    picture = read("init.picture", init.picture)
    mask = read("init.mask.picture", init.mask.picture) if init.mask else None
    return framed(picture, mask, init, request.width, request.height, factor)


def view_of(request: GenerationRequest, inputs: Path | None, factor: int, turn: int) -> View | None:
    """Where a turn's picture lies in the whole; None if it is the whole. Raises InvalidRequest."""
    init = request.init
    if init is None or (init.outpaint is None and (init.mask is None or not _cut_out(init))):
        return None
    return frame_of(request, init, partial(sent_in, inputs), factor).pasted


def _cut_out(init: InitImage) -> bool:
    return init.mask is not None and init.mask.area == "only masked"

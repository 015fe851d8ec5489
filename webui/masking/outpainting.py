"""A picture on a larger canvas, whose new part is to be made."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webui.masking.filling import filled
from webui.request import Outpaint


def grown_size(size: tuple[int, int], outpaint: Outpaint) -> tuple[int, int]:
    """(width, height) of the canvas, pixels."""
    width, height = size
    return width + outpaint.left + outpaint.right, height + outpaint.up + outpaint.down


def canvas(picture: Image.Image, outpaint: Outpaint) -> Image.Image:
    """The picture (RGB) in its place, the colours at its edges drawn out into the new part."""
    size = grown_size(picture.size, outpaint)
    whole, new = Image.new("RGB", size), Image.new("L", size, 255)
    whole.paste(picture, (outpaint.left, outpaint.up))
    new.paste(0, (outpaint.left, outpaint.up), Image.new("L", picture.size, 255))
    return filled(whole, new)


def canvas_mask(size: tuple[int, int], outpaint: Outpaint) -> Image.Image:
    """Mode L: white where the canvas of a picture of `size` is new, falling to black over the first
    `blend` pixels of the picture at each side that grows."""
    width, height = grown_size(size, outpaint)
    across = _ramp(width, outpaint.left, outpaint.right, outpaint.blend)
    down = _ramp(height, outpaint.up, outpaint.down, outpaint.blend)
    return Image.fromarray(np.maximum(across[None, :], down[:, None]))


def _ramp(length: int, before: int, after: int, blend: int) -> NDArray[np.uint8]:
    at = np.arange(length)
    values = np.zeros(length)
    for new, distance in ((before, at - before), (after, length - after - 1 - at)):
        if new:
            values = np.maximum(values, 1 - (distance + 1) / (blend + 1))
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)

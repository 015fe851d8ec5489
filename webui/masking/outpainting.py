"""A picture on a larger canvas, whose new part is to be made."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from webui.request import Outpaint

_SMOOTH = ((8, 2), (32, 8), (128, 32), (512, 96))  # (pixels from the picture, sigma there)


def grown_size(size: tuple[int, int], outpaint: Outpaint) -> tuple[int, int]:
    """(width, height) of the canvas, pixels."""
    width, height = size
    return width + outpaint.left + outpaint.right, height + outpaint.up + outpaint.down


def canvas(picture: Image.Image, outpaint: Outpaint) -> Image.Image:
    """The picture (RGB) in its place, its edges drawn out into the new part.

    What is at an edge goes on straight, the smoother the farther: the horizon stays where it is and
    nothing is drawn twice.
    """
    across, down = (outpaint.left, outpaint.right), (outpaint.up, outpaint.down)
    drawn = Image.fromarray(np.pad(np.asarray(picture), (down, across, (0, 0)), mode="edge"))
    far = np.maximum(
        _outside(drawn.width, *across)[None, :], _outside(drawn.height, *down)[:, None]
    )
    made, near = drawn, 0
    for distance, sigma in _SMOOTH:
        if far.max() <= near:
            break
        share = ((far - near) / (distance - near)).clip(0, 1) * 255
        smooth = drawn.filter(ImageFilter.GaussianBlur(sigma))
        made = Image.composite(smooth, made, Image.fromarray(share.astype(np.uint8)))
        near = distance
    return made


def canvas_mask(size: tuple[int, int], outpaint: Outpaint) -> Image.Image:
    """Mode L: white where the canvas of a picture of `size` is new, falling to black over the first
    `blend` pixels of the picture at each side that grows."""
    width, height = grown_size(size, outpaint)
    across = _ramp(width, outpaint.left, outpaint.right, outpaint.blend)
    down = _ramp(height, outpaint.up, outpaint.down, outpaint.blend)
    return Image.fromarray(np.maximum(across[None, :], down[:, None]))


def _outside(length: int, before: int, after: int) -> NDArray[np.float32]:
    """(length,) pixels to the picture, 0 in it."""
    at = np.arange(length, dtype=np.float32)
    return np.maximum(np.maximum(before - at, at - (length - after - 1)), 0)


def _ramp(length: int, before: int, after: int, blend: int) -> NDArray[np.uint8]:
    at = np.arange(length)
    values = np.zeros(length)
    for new, distance in ((before, at - before), (after, length - after - 1 - at)):
        if new:
            values = np.maximum(values, 1 - (distance + 1) / (blend + 1))
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)

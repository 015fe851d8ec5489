"""Masks: greyscale pictures, white (255) where a picture is made anew, black where it is kept."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from webui.masking.resizing import laid_on

Box = tuple[int, int, int, int]  # left, top, right, bottom, as in Pillow
_BLOCK = 2**21  # numbers that are transformed at a time


def grey(mask: Image.Image, inverted: bool = False) -> Image.Image:
    """Mode L; what is transparent is black. Inverted: what was black is made anew."""
    flat = mask if mask.mode == "L" else laid_on(mask, (0, 0, 0)).convert("L")
    return ImageOps.invert(flat) if inverted else flat


def blurred(mask: Image.Image, sigma: float) -> Image.Image:
    """Gaussian blur with A1111's kernel of 2 * ceil(2.5 sigma) + 1 pixels, mirrored at the edges.

    What is farther from white than 2.5 sigma stays black.
    """
    if sigma <= 0:
        return mask
    radius = math.ceil(2.5 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    across = np.empty((mask.height, mask.width), np.float32)
    made = np.empty((mask.height, mask.width), np.uint8)
    _along_rows(np.asarray(mask), kernel, across)
    _along_rows(across.T, kernel, made.T)
    return Image.fromarray(made)


def _along_rows(
    values: NDArray[Any], kernel: NDArray[np.float64], made: NDArray[np.float32] | NDArray[np.uint8]
) -> None:
    """Fills `made` (h, w) with `values` (h, w), convolved by Fourier transforms: as fast for a wide
    kernel. A few rows at a time, since pictures may be large."""
    radius, (height, width) = len(kernel) // 2, values.shape
    size = width + 4 * radius
    spectrum = np.fft.rfft(kernel, size)
    rows = max(1, _BLOCK // size)
    for at in range(0, height, rows):
        padded = np.pad(values[at : at + rows], ((0, 0), (radius, radius)), mode="reflect")
        whole = np.fft.irfft(np.fft.rfft(padded, size) * spectrum, size)
        part = whole[:, 2 * radius : 2 * radius + width]
        # both hold what is from 0 to 255, but bytes have to be rounded
        made[at : at + rows] = np.rint(part).clip(0, 255) if made.dtype == np.uint8 else part


def shown_weights(mask: Image.Image) -> Image.Image:
    """How much of the new picture shows, 0 to 255, for a blurred mask.

    Twice the mask: what is at least half masked shows the new picture alone, and the fade lies
    outside of it, where old and new are alike. A1111 does so for the whole picture.
    """
    return Image.fromarray(np.minimum(np.asarray(mask, np.uint16) * 2, 255).astype(np.uint8))


def at_latent_size(mask: Image.Image, factor: int, soft: bool = False) -> NDArray[np.float32]:
    """(h / factor, w / factor), 0 keeps, 1 makes anew; `mask` is w x h, multiples of `factor`.

    Hard masks take the largest value of each cell, and it counts from half on: whatever shows the
    new picture alone was made anew, and a thin line is not lost between cells. Soft masks take the
    mean, since there the value is how long a cell is kept.
    """
    height, width = mask.height // factor, mask.width // factor
    cells = np.asarray(mask)[: height * factor, : width * factor]
    cells = cells.reshape(height, factor, width, factor)
    if soft:
        return np.asarray(cells.mean((1, 3), dtype=np.float64) / 255, np.float32)
    return np.asarray(cells.max((1, 3)) >= 128, np.float32)


def crop_box(mask: Image.Image, padding: int, width: int, height: int) -> Box | None:
    """What is cut out to be made at width x height: the white of `mask` and `padding` around it,
    grown to that shape and moved into the picture. None if the mask is all black."""
    white = mask.getbbox()
    if white is None:
        return None
    left, top = max(0, white[0] - padding), max(0, white[1] - padding)
    right, bottom = min(mask.width, white[2] + padding), min(mask.height, white[3] + padding)
    wide, high = right - left, bottom - top
    if wide * height > high * width:
        top, bottom = _grown(top, bottom, int(wide * height / width), mask.height)
    else:
        left, right = _grown(left, right, int(high * width / height), mask.width)
    return left, top, right, bottom


def _grown(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """start..end made `length` long, evenly on both sides as far as 0..limit allows."""
    length = min(max(length, end - start), limit)
    start = min(max(0, start - (length - (end - start)) // 2), limit - length)
    return start, start + length

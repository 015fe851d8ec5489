"""What stands under a mask at the start, where it is not to be the picture itself."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.floating]


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """`picture` (RGB) with the colours from around the mask (L, same size) drawn in under it.

    Push-pull (Gortler et al. 1996, The Lumigraph): halved again and again, each cell the mean of
    what is kept in it, then from coarse to fine each cell without a colour takes that of its
    surroundings. Near the edge the colours are those of the nearest pixels, farther in those of
    larger parts of the picture. Kept pixels are the same to the bit; a picture without any becomes
    grey.
    """
    pixels = np.asarray(picture, np.float32)
    kept = (1 - np.asarray(mask, np.float32) / 255)[..., None]
    if not kept.any():
        return Image.new("RGB", picture.size, (128, 128, 128))
    drawn = _drawn_in(pixels * kept, kept)
    return Image.fromarray(np.rint(drawn).clip(0, 255).astype(np.uint8))


def _drawn_in(colours: Array, weights: Array) -> Array:
    """(h, w, 3) colours times their weights (h, w, 1) in 0..1 -> colours everywhere."""
    height, width = weights.shape[:2]
    if (height, width) == (1, 1) or weights.min() >= 1:
        return colours / np.maximum(weights, np.float32(1e-6))
    around = _doubled(_drawn_in(*_halved(colours, weights)), height, width)
    return colours + around * (1 - weights)


def _halved(colours: Array, weights: Array) -> tuple[Array, Array]:
    """Means of 2 x 2 cells; a cell with any colour has all of its weight."""
    height, width = weights.shape[:2]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    colours, weights = np.pad(colours, even), np.pad(weights, even)
    summed = _quartets(colours)
    total = _quartets(weights)
    full = np.minimum(total, 1)
    return summed * (full / np.maximum(total, np.float32(1e-6))), full


def _quartets(values: Array) -> Array:
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]


def _doubled(values: Array, height: int, width: int) -> Array:
    """Bilinear, each axis in turn: three parts of the nearer cell, one of the next."""
    return _stretched(_stretched(values, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _stretched(values: Array, length: int) -> Array:
    made = np.empty((2 * len(values), *values.shape[1:]), np.float32)
    near = values * np.float32(0.75)
    far = values * np.float32(0.25)
    made[0::2] = near
    made[1::2] = near
    made[2::2] += far[:-1]
    made[1:-1:2] += far[1:]
    made[0] += far[0]
    made[-1] += far[-1]
    return made[:length]

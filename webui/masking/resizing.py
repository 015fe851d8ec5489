"""How a picture comes to another size: the resize modes of A1111, by its numbers."""

import numpy as np
from PIL import Image

WHITE = (255, 255, 255)


def laid_on(picture: Image.Image, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """RGB; what is transparent shows `background`, as in A1111."""
    if picture.mode == "RGB":
        return picture
    if "A" not in picture.getbands():
        return picture.convert("RGB")
    made = Image.new("RGB", picture.size, background)
    made.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    return made


def resized(picture: Image.Image, width: int, height: int, mode: str) -> Image.Image:
    """`picture` (L or RGB) at width x height pixels.

    "just resize" (and "latent upscale", where pixels are wanted) stretches it, "crop and resize"
    cuts off what does not fit, "resize and fill" sets it in the middle and draws its edges out.
    Masks (L) are interpolated without overshoot, so that black stays black beside white.
    """
    if mode == "crop and resize":
        return _stretched(picture, width, height, _cut(picture.size, width, height))
    if mode == "resize and fill":
        return _set_in(picture, width, height)
    return _stretched(picture, width, height)


def _stretched(
    picture: Image.Image,
    width: int,
    height: int,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    if picture.size == (width, height) and box in (None, (0, 0, width, height)):
        return picture
    smooth = Image.Resampling.BILINEAR if picture.mode == "L" else Image.Resampling.LANCZOS
    return picture.resize((width, height), smooth, box)


def _cut(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """The middle part of a picture of `size` that has the shape of width x height."""
    wide, high = size
    part = min(wide / width, high / height)
    left, top = (wide - width * part) / 2, (high - height * part) / 2
    return left, top, min(left + width * part, wide), min(top + height * part, high)


def _set_in(picture: Image.Image, width: int, height: int) -> Image.Image:
    factor = min(width / picture.width, height / picture.height)
    wide = min(width, max(1, round(picture.width * factor)))
    high = min(height, max(1, round(picture.height * factor)))
    inner = np.asarray(_stretched(picture, wide, high))
    left, top = (width - wide) // 2, (height - high) // 2
    sides = [(top, height - high - top), (left, width - wide - left)]
    return Image.fromarray(np.pad(inner, sides + [(0, 0)] * (inner.ndim - 2), mode="edge"))

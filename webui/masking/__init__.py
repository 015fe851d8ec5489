"""What the model is shown of a picture, and how its result comes back into it.

Pictures and masks by Pillow and numpy alone: the engine and what is shown before a run ("what the
model sees") are the same functions. Knows neither files nor jobs.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from webui.errors import InvalidRequest
from webui.masking.filling import filled
from webui.masking.masks import Box, at_latent_size, blurred, crop_box, grey, shown_weights
from webui.masking.outpainting import canvas, canvas_mask, grown_size
from webui.masking.resizing import WHITE, laid_on, resized
from webui.request import InitImage

__all__ = [
    "WHITE",
    "Box",
    "Frame",
    "at_latent_size",
    "blurred",
    "canvas",
    "canvas_mask",
    "crop_box",
    "filled",
    "framed",
    "grey",
    "grown_size",
    "laid_on",
    "overlaid",
    "resized",
    "shown_weights",
]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a request's picture is to the model, and what the result is laid into.

    `start` is RGB of the working size, except with "latent upscale": then it has the picture's own
    size, rounded to the grid, and its latent is to be stretched. The other two are None where all
    of the picture is made anew.
    """

    start: Image.Image
    mask: Image.Image | None = None  # L, working size: white is made anew, blurred
    whole: Image.Image | None = None  # RGB: the result is laid into it
    weights: Image.Image | None = None  # L, the size of `whole`: how much of the result shows
    crop: Box | None = None  # the part of `whole` that the model works on; None: all of it

    def pasted(self, result: Image.Image) -> Image.Image:
        """`result` (RGB, the working size's shape, any size) in its place in the whole picture.

        Where the weights are 0 the picture is the same to the bit.
        """
        if self.whole is None or self.weights is None:
            return result
        left, top, right, bottom = self.crop or (0, 0, *self.whole.size)
        part = resized(result, right - left, bottom - top, "crop and resize")
        return overlaid(self.whole, part, self.weights, (left, top))


def framed(
    picture: Image.Image,
    mask: Image.Image | None,
    init: InitImage,
    width: int,
    height: int,
    factor: int = 8,
) -> Frame:
    """`picture` (L, RGB, RGBA) and `mask` (the same size) for a working size of width x height.

    `factor`: pixels of one latent cell. Raises InvalidRequest for a mask with nothing in it, or of
    another size.
    """
    picture = laid_on(picture)
    if init.outpaint is not None:
        whole = canvas(picture, init.outpaint)
        soft = canvas_mask(picture.size, init.outpaint)
        return _cut_out(whole, soft, (0, 0, *whole.size), width, height, fill=False)
    if init.mask is None or mask is None:
        return Frame(_start(picture, None, init, width, height, factor))
    if mask.size != picture.size:
        raise InvalidRequest(
            "init.mask.picture",
            f"must have the picture's size, {picture.width} x {picture.height}, "
            f"got {mask.width} x {mask.height}",
        )
    soft = blurred(grey(mask, init.mask.inverted), init.mask.blur)
    box = crop_box(soft, init.mask.padding, width, height)
    if box is None:
        raise InvalidRequest(
            "init.mask.picture", "has nothing to make anew: paint white on it, or invert it"
        )
    if init.mask.area == "only masked":
        return _cut_out(picture, soft, box, width, height, init.mask.content != "original")
    fitted = resized(soft, width, height, init.resize)
    whole = resized(picture, width, height, init.resize)
    start = _start(picture, soft, init, width, height, factor)
    return Frame(start, fitted, whole, shown_weights(fitted))


def _start(
    picture: Image.Image,
    mask: Image.Image | None,
    init: InitImage,
    width: int,
    height: int,
    factor: int,
) -> Image.Image:
    """All of the picture; `mask` has its size."""
    if init.resize == "latent upscale":
        width, height = (max(factor, side // factor * factor) for side in picture.size)
    start = resized(picture, width, height, init.resize)
    if mask is None or init.mask is None or init.mask.content == "original":
        return start
    return filled(start, resized(mask, width, height, init.resize))


def _cut_out(
    whole: Image.Image, mask: Image.Image, box: Box, width: int, height: int, fill: bool
) -> Frame:
    start = resized(whole.crop(box), width, height, "resize and fill")
    fitted = resized(mask.crop(box), width, height, "resize and fill")
    start = filled(start, fitted) if fill else start
    return Frame(start, fitted, whole, shown_weights(mask), box)


def overlaid(
    whole: Image.Image, part: Image.Image, weights: Image.Image, at: tuple[int, int]
) -> Image.Image:
    """`part` (RGB) laid on `whole` (RGB) with its corner at `at`, as far as `weights` (L, the size
    of `whole`) say: 0 keeps the old pixel to the bit, 255 takes the new one."""
    left, top = at
    box = (left, top, left + part.width, top + part.height)
    old, new = np.asarray(whole.crop(box), np.uint16), np.asarray(part, np.uint16)
    share = np.asarray(weights.crop(box), np.uint16)[..., None]
    # at most 255 * 255, which 16 bits hold
    mixed = ((old * (255 - share) + new * share + 127) // 255).astype(np.uint8)
    made = whole.copy()
    made.paste(Image.fromarray(mixed), at)
    return made

"""What is done to a finished picture: an image operation, with a run within the run."""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageEnhance

from webui import ImageOperation, InitImage, PictureView, hookimpl

_KEY = "f" * 64  # names the picture in the nested request
_TOUCHES = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "colour": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


@hookimpl
def register_image_operations() -> Sequence[ImageOperation]:
    return (ImageOperation(needs="finish", apply=finished),)


def finished(picture: Image.Image, view: PictureView) -> Image.Image:
    """RGB -> RGB, of the same size."""
    if view.values["again"] > 0:
        picture = again(picture, view)
    for name, touch in _TOUCHES.items():
        if view.values[name] != 1:
            picture = touch(picture).enhance(view.values[name])
    return picture


def again(picture: Image.Image, view: PictureView) -> Image.Image:
    """The picture made anew, as img2img does; as it is where the job is to end."""
    width, height = picture.size
    request = replace(
        view.request,
        init=InitImage(picture=_KEY, strength=view.values["again"]),
        hires=None,
        resume=None,
        stop_at=1.0,
        width=width,
        height=height,
        extras={},
    )
    made = view.render(request, {_KEY: picture})
    return made[0] if made else picture

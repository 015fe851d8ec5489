"""In the engine's process: what is done to a finished picture before it is saved."""

from collections.abc import Sequence

from PIL import Image, ImageOps

from webui import ImageOperation, PictureView, hookimpl


@hookimpl
def register_image_operations() -> Sequence[ImageOperation]:
    return (ImageOperation(needs="example", apply=contrasted),)


def contrasted(picture: Image.Image, view: PictureView) -> Image.Image:
    """RGB -> RGB."""
    return Image.blend(picture, ImageOps.autocontrast(picture), view.values["contrast"])

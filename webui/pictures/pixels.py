"""Pixels of a picture from outside: the first frame, upright, as RGB."""

import io

from PIL import Image

from webui.errors import InvalidRequest
from webui.pictures import jpeg, png
from webui.pictures.header import MAX_PIXELS, Header, refused

_UPRIGHT = {  # EXIF's orientation -> what makes it 1
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_BARE = {"PNG": png.bare, "JPEG": jpeg.bare}  # without what Pillow need not see


def decode(data: bytes, header: Header, background: tuple[int, int, int]) -> Image.Image:
    """RGB, upright; what is transparent shows `background`. Raises InvalidRequest."""
    image = stored(data, header)
    # Pillow makes EXIF of an AVIF's own rotation; of the others it has been shown none
    avif = header.format == "AVIF"
    turn = image.getexif().get(_ORIENTATION, 1) if avif else header.orientation
    return _rgb(image.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else image, background)


def stored(data: bytes, header: Header) -> Image.Image:
    """The first frame as it stands in the file. Raises InvalidRequest."""
    bare = _BARE.get(header.format)
    try:
        image = Image.open(io.BytesIO(bare(data) if bare else data), formats=[header.format])
        if image.width * image.height > MAX_PIXELS:
            raise refused(f"has more than {MAX_PIXELS} pixels")
        image.load()
        return image
    except InvalidRequest:
        raise
    except Exception as error:  # what Pillow's decoders raise for damaged data is anybody's guess
        raise refused(f"cannot be decoded: {str(error)[:200]}") from None


def _rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        return image.convert("I").point(lambda level: level * (1 / 257)).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    below = Image.new("RGBA", layer.size, (*background, 255))
    return Image.alpha_composite(below, layer).convert("RGB")

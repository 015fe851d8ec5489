"""Pixels of a picture from outside: the first frame, upright, with 8 bits of each colour."""

import io
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Plain:
    """A picture as all later parts want it, and what was done to it."""

    image: Image.Image  # L, RGB or RGBA, 8 bits; no profile, no text
    notes: tuple[str, ...]  # sentences


def decode(data: bytes, header: Header, background: tuple[int, int, int]) -> Image.Image:
    """RGB, upright; what is transparent shows `background`. Raises InvalidRequest."""
    return _rgb(_upright(stored(data, header), header), background)


def plain(data: bytes, header: Header) -> Plain:
    """Transparency and grey stay. Raises InvalidRequest."""
    image = stored(data, header)
    turned = _upright(image, header)
    notes = [note for note, true in (
        ("only the first frame of the animation was taken", _animated(image, data)),
        ("it was turned upright, as its EXIF says", turned is not image),
        ("its colours are for print (CMYK) and were converted", image.mode == "CMYK"),
        ("of 16 bits the upper 8 were taken", header.mode == "I;16"),
    ) if true]  # fmt: skip
    made = _eight_bits(turned)
    made.info = {}  # Pillow would write profiles and texts again
    return Plain(made, tuple(notes))


def _upright(image: Image.Image, header: Header) -> Image.Image:
    # Pillow makes EXIF of an AVIF's own rotation; of the others it has been shown none
    avif = header.format == "AVIF"
    turn = image.getexif().get(_ORIENTATION, 1) if avif else header.orientation
    return image.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else image


def _animated(image: Image.Image, data: bytes) -> bool:
    if image.format == "PNG":  # whose further frames were taken out before
        return png.is_animated(data)
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second frame; the first one was read
        return True


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits
        return _upper_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        opaque = layer.getchannel("A").getextrema() == (255, 255)
        return layer.convert("RGB") if opaque else layer
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _upper_bits(image: Image.Image) -> Image.Image:
    return image.convert("I").point(lambda level: level * (1 / 257)).convert("L")


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
        return _upper_bits(image).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    below = Image.new("RGBA", layer.size, (*background, 255))
    return Image.alpha_composite(below, layer).convert("RGB")

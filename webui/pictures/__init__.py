"""Pictures from outside, read safely, and what texts they carry; pictures of ours, written.

Each format's header is read by a few lines of our own before Pillow sees anything: format, size,
rotation and texts cost neither pixels nor trust. Knows nothing of what the texts say.
"""

from PIL import Image

from webui.pictures import avif, gif, jpeg, pixels, png, stealth, webp
from webui.pictures.header import MAX_PIXELS, Chunk, Header, refused
from webui.pictures.pixels import Plain
from webui.pictures.written import MEDIA_TYPES, RECORD, SUFFIXES, Format, encode

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MEDIA_TYPES",
    "RECORD",
    "SUFFIXES",
    "Chunk",
    "Format",
    "Header",
    "Plain",
    "decode",
    "encode",
    "hidden",
    "look",
    "plain",
]
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
WHITE = (255, 255, 255)


def look(data: bytes) -> Header:
    """Everything but the pixels. Raises InvalidRequest for what is no picture, or too large."""
    header = _header(data)
    if header.width < 1 or header.height < 1:
        raise refused("has no pixels")
    if header.width * header.height > MAX_PIXELS:
        raise refused(
            f"has {header.width} x {header.height} pixels; at most {MAX_PIXELS} in all are read"
        )
    return header


def decode(data: bytes, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """The first frame, upright, RGB; transparent pixels show `background`. Raises InvalidRequest,
    for what is too large before it is decoded."""
    return pixels.decode(data, look(data), background)


def plain(data: bytes, header: Header | None = None) -> Plain:
    """The first frame, upright, L, RGB or RGBA, 8 bits each, with what was done to it in words;
    `header` where it was looked at. Raises InvalidRequest, for what is too large before it is
    decoded."""
    return pixels.plain(data, header or look(data))


def hidden(data: bytes, header: Header) -> Chunk | None:
    """The text in the lowest bits of the pixels, if any. Decodes them; raises InvalidRequest."""
    if not stealth.may_hide(header):
        return None
    return stealth.find(pixels.stored(data, header))


def _header(data: bytes) -> Header:
    if data.startswith(png.SIGNATURE):
        return png.read(data)
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.read(data)
    if webp.is_webp(data):
        return webp.read(data)
    if avif.is_avif(data):
        return avif.read(data)
    if data.startswith(gif.GIF):
        return gif.read_gif(data)
    if data.startswith(gif.BMP):
        return gif.read_bmp(data)
    raise refused(f"is not a picture that can be read; these can: {', '.join(FORMATS)}")

"""Pictures of ours as files: PNG with two text chunks, the others with EXIF and XMP.

Where a format cannot hold the recipe or the size (a JPEG segment has 65,533 bytes, a WebP side
16,383 pixels), the picture becomes a PNG: nothing is cut.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.pictures import exif, xmp

PARAMETERS, RECORD = "parameters", "darkroom"  # the names of PNG's chunks
SUFFIXES: Mapping[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "avif": ".avif"}
MEDIA_TYPES: Mapping[str, str] = {suffix: f"image/{name}" for name, suffix in SUFFIXES.items()}
_MOST_EXIF = 65_000  # bytes, in a JPEG
_LONGEST = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383, "avif": 65_536}  # pixels of a side


@dataclass(frozen=True, slots=True)
class Format:
    name: str = "png"  # one of SUFFIXES
    quality: int = 90  # of what is lossy: 1 to 100


def encode(image: Image.Image, wanted: Format, parameters: str, record: str) -> tuple[bytes, str]:
    """The file and its suffix. `image` is RGB or RGBA, which is never a JPEG; `record` is
    ASCII."""
    buffer = io.BytesIO()
    comment, packet = exif.block(parameters), xmp.packet(record)
    long = max(len(comment), len(packet)) > _MOST_EXIF
    no_jpeg = wanted.name == "jpeg" and (long or image.mode == "RGBA")
    if wanted.name == "png" or no_jpeg or max(image.size) > _LONGEST[wanted.name]:
        text = PngInfo()
        text.add_text(PARAMETERS, parameters)  # iTXt by itself where latin-1 does not do
        text.add_text(RECORD, record)
        image.save(buffer, "PNG", pnginfo=text, compress_level=4)
        return buffer.getvalue(), SUFFIXES["png"]
    image.save(buffer, wanted.name.upper(), quality=wanted.quality, exif=comment, xmp=packet)
    return buffer.getvalue(), SUFFIXES[wanted.name]

"""The text that Forge's and NovelAI's "stealth" mode hides in the lowest bits of the pixels.

Down the columns, one bit of alpha (or three of red, green, blue) a pixel: a signature of 15 bytes,
the payload's length in bits (32 bits, big endian), the payload: UTF-8, gzip-compressed where the
signature says so. Lossless formats alone can carry it.
"""

import zlib

import numpy as np
from PIL import Image

from webui.pictures.header import MAX_TEXT, Chunk, Header

_SIGNATURES = {  # -> channels, whether it is compressed
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
_HEAD = 15 + 4  # bytes
_GZIP = 31  # zlib's word for it
MAX_PIXELS = 2**24  # beyond it decoding costs too much for what is seldom there


def may_hide(header: Header) -> bool:
    small = header.width * header.height <= MAX_PIXELS
    return small and header.format in ("PNG", "WEBP") and header.mode in ("RGB", "RGBA")


def find(image: Image.Image) -> Chunk | None:
    """`image` is RGB or RGBA as stored, neither turned nor flattened."""
    for channels in ("A", "RGB"):
        if not set(channels) <= set(image.getbands()):
            continue
        head = _lowest(image, channels, _HEAD)
        known = _SIGNATURES.get(head[:15])
        if known is None or known[0] != channels or len(head) < _HEAD:
            continue
        size, left = divmod(int.from_bytes(head[15:], "big"), 8)
        if left or not 0 < size <= MAX_TEXT:
            return None
        payload = _lowest(image, channels, _HEAD + size)[_HEAD:]
        text = _inflated(payload) if known[1] else payload
        if not text or len(payload) < size:
            return None
        return Chunk("parameters", "stealth", text.decode("utf-8", "replace"))
    return None


def _lowest(image: Image.Image, channels: str, size: int) -> bytes:
    """The first `size` bytes that the lowest bits make; fewer where there are no more pixels."""
    columns = min(image.width, -(-size * 8 // (image.height * len(channels))))
    part = image.crop((0, 0, columns, image.height))
    levels = np.stack([np.asarray(part.getchannel(each)) for each in channels], axis=-1)
    bits = levels.transpose(1, 0, 2).reshape(-1)[: size * 8] & 1
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()


def _inflated(payload: bytes) -> bytes | None:
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(payload, MAX_TEXT + 1)
    except zlib.error:
        return None
    return text if len(text) <= MAX_TEXT else None

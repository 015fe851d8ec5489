"""WebP: header, EXIF and XMP."""

import struct

from webui.pictures import exif, xmp
from webui.pictures.header import Header, Texts, refused

_MAX_CHUNKS = 10_000
_ALPHA = 0x10  # in the flags of VP8X


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read(data: bytes) -> Header:
    """Raises InvalidRequest."""
    texts, orientation, exif_read = Texts(), 1, False
    size: tuple[int, int, bool] | None = None
    view, at = memoryview(data), 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        body = view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if kind in _SIZES and size is None:
            size = _SIZES[kind](bytes(body[:10]))
        elif kind == b"EXIF" and not exif_read:  # there is one; more are made to take time
            exif_read = True
            found = exif.read(texts.fitting(body))
            orientation = found.orientation
            texts.extend(found.chunks)
        elif kind == b"XMP ":
            texts.extend(xmp.read(texts.fitting(body)))
    if size is None:
        raise refused("is a WebP that ends in its header")
    width, height, alpha = size
    mode = "RGBA" if alpha else "RGB"
    return Header("WEBP", width, height, mode, orientation, tuple(texts.chunks))


def _extended(body: bytes) -> tuple[int, int, bool] | None:
    if len(body) < 10:
        return None
    width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
    return width, height, bool(body[0] & _ALPHA)


def _lossy(body: bytes) -> tuple[int, int, bool] | None:
    if body[3:6] != b"\x9d\x01\x2a" or len(body) < 10:
        return None
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF, False


def _lossless(body: bytes) -> tuple[int, int, bool] | None:
    if body[:1] != b"\x2f" or len(body) < 5:
        return None
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)


_SIZES = {b"VP8X": _extended, b"VP8 ": _lossy, b"VP8L": _lossless}

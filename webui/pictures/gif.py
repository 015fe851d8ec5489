"""GIF: header and comments up to the first frame. BMP: header, which is all it has."""

import struct

from webui.errors import InvalidRequest
from webui.pictures.header import MAX_TEXT, Header, Texts, refused

GIF = (b"GIF87a", b"GIF89a")
BMP = b"BM"
_EXTENSION, _COMMENT, _FRAME = 0x21, 0xFE, 0x2C


def read_gif(data: bytes) -> Header:
    """The size is that of canvas and first frame together. Raises InvalidRequest."""
    if len(data) < 13:
        raise refused("is a GIF that ends in its header")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    texts = Texts()
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    first = at
    while at + 2 < len(data) and data[at] == _EXTENSION:
        if at - first > MAX_TEXT:
            raise _too_long()
        parts, end = _blocks(data, at + 2, first)
        if data[at + 1] == _COMMENT:
            texts.add("comment", "GIF", b"".join(parts).decode("utf-8", "replace"))
        at = end
    if data[at : at + 1] == bytes([_FRAME]) and at + 9 <= len(data):
        left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return Header("GIF", width, height, "P", 1, tuple(texts.chunks))


def _blocks(data: bytes, at: int, first: int) -> tuple[list[bytes], int]:
    """An extension's blocks, and what comes after them."""
    parts: list[bytes] = []
    while at < len(data) and (size := data[at]):
        parts.append(data[at + 1 : at + 1 + size])
        at += 1 + size
        if at - first > MAX_TEXT:
            raise _too_long()
    return parts, at + 1


def _too_long() -> InvalidRequest:
    return refused(f"is a GIF with more than {MAX_TEXT} bytes before its first frame")


def read_bmp(data: bytes) -> Header:
    """Raises InvalidRequest."""
    if len(data) < 30:
        raise refused("is a BMP that ends in its header")
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    depth = struct.unpack_from("<H", data, 24 if old else 28)[0]
    return Header("BMP", abs(width), abs(height), "P" if depth <= 8 else "RGB")

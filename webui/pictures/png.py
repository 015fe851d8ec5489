"""PNG: header and texts (tEXt, zTXt, iTXt, eXIf), wherever they stand in the file."""

import struct

from webui.pictures import exif
from webui.pictures.header import Header, Texts, refused

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 50_000
_OF_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}


def read(data: bytes) -> Header:
    """Raises InvalidRequest."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise refused("is a PNG that ends in its header")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    texts, orientation, exif_read = Texts(), 1, False
    view, at = memoryview(data), 33
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        body = view[at + 8 : at + 8 + length]
        at += length + 12
        if kind == b"IEND" or len(body) < length:
            break
        if kind == b"eXIf" and not exif_read:  # there is one; more are made to take time
            exif_read = True
            found = exif.read(texts.fitting(body))
            orientation = found.orientation
            texts.extend(found.chunks)
        elif kind in _TEXTS:
            _TEXTS[kind](body, texts)
    else:
        raise refused(f"is a PNG of more than {_MAX_CHUNKS} chunks")
    return Header("PNG", width, height, _mode(depth, colour), orientation, tuple(texts.chunks))


def bare(data: bytes) -> bytes:
    """The same pixels without anything else; no second frame, size, profile, no text."""
    view, at, kept = memoryview(data), len(SIGNATURE), [memoryview(SIGNATURE)]
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        # Pillow believes the last size that it is told, `read` the first
        if kind in _OF_PIXELS and (kind != b"IHDR" or len(kept) == 1):
            kept.append(view[at : at + length + 12])
        at += length + 12
        if kind == b"IEND":
            break
    return b"".join(kept)


def is_animated(data: bytes) -> bool:
    """Whether it says so before its pixels, as it has to."""
    at = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"acTL", b"IDAT"):
            return bool(kind == b"acTL")
        at += length + 12
    return False


def _mode(depth: int, colour: int) -> str:
    if colour == 0 and depth in (1, 16):
        return "1" if depth == 1 else "I;16"
    return _MODES.get(colour, "")


def _plain(body: memoryview, texts: Texts) -> None:
    keyword, _, text = texts.fitting(body).partition(b"\0")
    texts.add(keyword.decode("latin-1"), "tEXt", text.decode("latin-1"))


def _deflated(body: memoryview, texts: Texts) -> None:
    head = bytes(body[:81]).partition(b"\0")[0]
    text = texts.inflated(body[len(head) + 2 :])
    if text is not None:
        texts.add(head.decode("latin-1"), "zTXt", text.decode("latin-1"))


def _international(body: memoryview, texts: Texts) -> None:
    """keyword NUL, compressed?, method, language NUL, translated keyword NUL, text."""
    keyword = bytes(body[:81]).partition(b"\0")[0]
    compressed = bytes(body[len(keyword) + 1 : len(keyword) + 2]) == b"\1"
    rest = texts.fitting(body[len(keyword) + 3 :])
    parts = rest.split(b"\0", 2)
    if len(parts) < 3:
        return
    text = texts.inflated(parts[2]) if compressed else parts[2]
    if text is not None:
        texts.add(keyword.decode("latin-1"), "iTXt", text.decode("utf-8", "replace"))


_TEXTS = {b"tEXt": _plain, b"zTXt": _deflated, b"iTXt": _international}

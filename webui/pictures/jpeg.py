"""JPEG: header, EXIF, XMP and comments, up to where the pixels begin."""

import struct
from collections.abc import Iterator

from webui.pictures import exif, xmp
from webui.pictures.header import Header, Texts, refused

SIGNATURE = b"\xff\xd8\xff"
_MAX_HEAD = 2**22  # bytes before the pixels; whoever joins segments one by one is slow with more
_MAX_SEGMENTS = 10_000  # before the pixels
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, where it begins, where it ends), up to that of the pixels.

    Raises InvalidRequest where so much stands before them that finding them would take long.
    """
    at, count = 2, 0  # filling counts too
    while at + 4 <= len(data) and data[at] == 0xFF:
        if at > _MAX_HEAD or count > _MAX_SEGMENTS:
            raise refused(
                f"is a JPEG with more than {_MAX_HEAD} bytes or {_MAX_SEGMENTS} segments before "
                "its pixels"
            )
        count += 1
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield marker, at, end
        at = end


def bare(data: bytes) -> bytes:
    """The same pixels without EXIF, XMP, profile and comment."""
    kept, last = [data[:2]], 2
    for marker, begin, end in segments(data):
        if not (0xE0 < marker <= 0xEF and marker != 0xEE) and marker != 0xFE:  # 0xEE: Adobe's
            kept.append(data[begin:end])
        last = end
    return b"".join([*kept, data[last:]])


def read(data: bytes) -> Header:
    """Raises InvalidRequest."""
    texts, orientation, size, exif_read = Texts(), 1, None, False
    for marker, begin, end in segments(data):
        body = data[begin + 4 : end]
        if marker in _FRAMES and len(body) >= 6:
            size = struct.unpack(">HHB", body[1:6])
        elif marker == 0xE1 and body.startswith(_EXIF):
            if exif_read:  # there is one block; more are made to take time
                continue
            exif_read = True
            found = exif.read(body[len(_EXIF) :])
            orientation = found.orientation
            texts.extend(found.chunks)
        elif marker == 0xE1 and body.startswith(_XMP):
            texts.extend(xmp.read(body[len(_XMP) :]))
        elif marker == 0xFE:
            texts.add("comment", "COM", body.decode("utf-8", "replace"))
    if size is None:
        raise refused("is a JPEG that ends in its header")
    height, width, parts = size
    mode = _MODES.get(parts, "")
    return Header("JPEG", width, height, mode, orientation, tuple(texts.chunks))

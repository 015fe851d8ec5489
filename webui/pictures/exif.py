"""EXIF: the UserComment, which A1111 writes its text in, and the rotation.

Only what is wanted is read, so a block that claims millions of values costs nothing. Pillow's
reader takes all of them: a block whose values are more than it holds is refused.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from webui.pictures.header import Chunk, refused

_PREFIX = b"Exif\0\0"
_RECIPE = "Steps: "  # tells the order where the prompt's own signs would mislead
_UNICODE, _ASCII, _JIS = b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0"
_ORIENTATION, _DESCRIPTION, _POINTER, _COMMENT = 0x0112, 0x010E, 0x8769, 0x9286
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_UNDEFINED, _LONG = 7, 4
_MOST_CLAIMED = 2**22  # bytes
_MOST_ENTRIES = 4096  # of one list; cameras write some hundred


@dataclass(frozen=True, slots=True)
class Exif:
    orientation: int = 1
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    size: int  # bytes
    at: int  # where the value is


def block(comment: str) -> bytes:
    """An EXIF block with `comment` as its UserComment, laid out as A1111's writer does it."""
    value = _UNICODE + comment.encode("utf-16-be")
    head = b"MM\0\x2a" + struct.pack(">I", 8)
    pointer = struct.pack(">HHHIII", 1, _POINTER, _LONG, 1, 26, 0)
    entry = struct.pack(">HHHIII", 1, _COMMENT, _UNDEFINED, len(value), 44, 0)
    return _PREFIX + head + pointer + entry + value


def read(data: bytes) -> Exif:
    """What is damaged is left out. Raises InvalidRequest for a block made to exhaust memory."""
    tiff = data.removeprefix(_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return Exif()
    first = list(_entries(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0]))
    if sum(entry.size for entry in first) > _MOST_CLAIMED:
        raise refused("has an EXIF block whose values are more than it can hold")
    orientation, chunks, followed = 1, list[Chunk](), False
    for entry in first:
        value = tiff[entry.at : entry.at + entry.size]
        if entry.tag == _ORIENTATION and entry.size == 2 and len(value) == 2:
            given = struct.unpack(order + "H", value)[0]
            orientation = given if 1 <= given <= 8 else 1
        elif entry.tag == _DESCRIPTION:
            chunks.append(Chunk("ImageDescription", "EXIF", _bare(value)))
        elif entry.tag == _POINTER and len(value) == 4 and not followed:
            followed = True  # one list alone: many pointers to a long one would take hours
            chunks += _comments(tiff, order, struct.unpack(order + "I", value)[0])
    return Exif(orientation, tuple(chunks))


def _comments(tiff: bytes, order: str, at: int) -> Iterator[Chunk]:
    for entry in _entries(tiff, order, at):
        if entry.tag == _COMMENT:
            text = decoded(tiff[entry.at : entry.at + entry.size])
            if text is not None:
                yield Chunk("UserComment", "EXIF", text)
            return


def _entries(tiff: bytes, order: str, at: int) -> Iterator[_Entry]:
    if at + 2 > len(tiff):
        return
    count = struct.unpack_from(order + "H", tiff, at)[0]
    if count > _MOST_ENTRIES:
        raise refused(f"has an EXIF block of {count} values; at most {_MOST_ENTRIES} are read")
    for place in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, values, offset = struct.unpack_from(order + "HHII", tiff, place)
        size = values * _SIZES.get(kind, 0)
        yield _Entry(tag, kind, size, place + 8 if size <= 4 else offset)


def decoded(value: bytes) -> str | None:
    """A UserComment as text; None if there is nothing in it, or in a code that we do not read."""
    code, rest = value[:8], value[8:]
    if code == _JIS:
        return None
    if code == _UNICODE:
        return _utf16(rest)
    if code == _ASCII or code == bytes(8):
        return _bare(rest)
    return _bare(value)


def _utf16(value: bytes) -> str | None:
    if value[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return value.decode("utf-16", "replace").rstrip("\0") or None
    for order in ("utf-16-be", "utf-16-le"):
        if _RECIPE in (text := value.decode(order, "replace")):
            return text.rstrip("\0")
    # what is mostly Latin has its zeros in the high bytes
    big = value[0::2].count(0) >= value[1::2].count(0)
    return value.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0") or None


def _bare(value: bytes) -> str:
    try:
        return value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return value.rstrip(b"\0").decode("latin-1")

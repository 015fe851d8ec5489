"""AVIF: header, EXIF and XMP, from the boxes of its container (ISO/IEC 14496-12, 23008-12)."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from webui.pictures import exif, xmp
from webui.pictures.header import Header, Texts, refused

_MAX_BOXES = 10_000
_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
_MAX_ITEMS = 8


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int  # of what is in it
    end: int


def is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def read(data: bytes) -> Header:
    """The size is that of the largest picture in it. Raises InvalidRequest."""
    meta = next((box for box in _boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None:
        raise refused("is an AVIF that ends in its header")
    inside = list(_boxes(data, meta.start + 4, meta.end))
    properties = [
        each
        for box in _first(inside, b"iprp")
        for part in _first(_boxes(data, box.start, box.end), b"ipco")
        for each in _boxes(data, part.start, part.end)
    ]
    sizes = [
        struct.unpack_from(">II", data, box.start + 4)
        for box in properties
        if box.kind == b"ispe" and box.end - box.start >= 12
    ]
    if not sizes:
        raise refused("is an AVIF without a size")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    alpha = any(
        box.kind == b"auxC" and b"alpha" in data[box.start : box.end][:64] for box in properties
    )
    texts, orientation = Texts(), 1
    for kind, item in _items(data, inside):
        fitting = texts.fitting(item)
        if kind == b"Exif":
            found = exif.read(fitting[4 + int.from_bytes(fitting[:4], "big") :])
            orientation = found.orientation
            texts.extend(found.chunks)
        else:
            texts.extend(xmp.read(fitting))
    mode = "RGBA" if alpha else "RGB"
    return Header("AVIF", width, height, mode, orientation, tuple(texts.chunks))


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = end - at if size == 0 else size
        if size < head or at + size > end:
            return
        yield _Box(kind, at + head, at + size)
        at += size


def _first(boxes: Iterable[_Box], kind: bytes) -> list[_Box]:
    """The first of that kind, if any: the format has one, and many would take seconds to read."""
    return [box for box in boxes if box.kind == kind][:1]


def _items(data: bytes, inside: list[_Box]) -> Iterator[tuple[bytes, bytes]]:
    """The EXIF and XMP items."""
    kinds: dict[int, bytes] = {}
    places: Mapping[int, tuple[int, int]] = {}
    for box in _first(inside, b"iinf"):
        kinds = _kinds(data, box)
    for box in _first(inside, b"iloc"):
        places = _places(data[box.start : box.end])
    found = [(kind, item) for item, kind in kinds.items() if kind in (b"Exif", b"mime")]
    if len(found) > _MAX_ITEMS:
        raise refused(f"is an AVIF with more than {_MAX_ITEMS} texts")
    for kind, item in found:
        if item in places:
            at, length = places[item]
            yield kind, data[at : at + length]


def _kinds(data: bytes, box: _Box) -> dict[int, bytes]:
    """item -> type."""
    if box.end - box.start < 6:
        raise refused("is an AVIF whose list of items is cut")
    version = data[box.start]
    kinds = {}
    for entry in _boxes(data, box.start + (6 if version == 0 else 8), box.end):
        if entry.kind == b"infe" and entry.end - entry.start >= 14:
            wide = data[entry.start] == 3
            item = struct.unpack_from(">I" if wide else ">H", data, entry.start + 4)[0]
            after = entry.start + (10 if wide else 8)
            kinds[item] = data[after : after + 4]
    return kinds


def _places(body: bytes) -> dict[int, tuple[int, int]]:
    """item -> (where it is in the file, bytes), of those that lie in one piece."""
    if len(body) < 8:
        raise refused("is an AVIF whose list of items is cut")
    version, sizes, bases = body[0], body[4], body[5]
    offset_size, length_size = sizes >> 4, sizes & 15
    base_size, index_size = bases >> 4, bases & 15 if version else 0
    at, places = 6, {}

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(body):
            raise refused("is an AVIF whose list of items is cut")
        return int.from_bytes(body[at - size : at], "big")

    wide = 4 if version == 2 else 2
    extent_size = index_size + offset_size + length_size
    for _ in range(_counted(number(wide))):
        item = number(wide)
        method = number(2) if version else 0
        number(2)  # in which file: 0 is this one
        base, extents = number(base_size), number(2)
        if extents == 1 and method == 0:
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            places[item] = base + offset, length
        else:
            at += extents * extent_size  # each may have no bytes at all: never looked at in turn
    return places


def _counted(items: int) -> int:
    if items > _MAX_BOXES:
        raise refused(f"is an AVIF with more than {_MAX_BOXES} items")
    return items

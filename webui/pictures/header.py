"""What is known of a picture before any of its pixels is decoded."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from webui.errors import InvalidRequest

MAX_PIXELS = 2**26  # 67 million: 200 MB as RGB
MAX_TEXT = 2**20  # bytes of one text, inflated
MAX_TEXTS = 2**22  # bytes of all of a picture's texts


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text that a picture carries."""

    name: str  # "parameters", "UserComment", ...
    kind: str  # where it stood: "tEXt", "EXIF", ...
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    format: str  # as Pillow calls it
    width: int  # pixels, before the EXIF rotation
    height: int
    mode: str
    orientation: int = 1  # EXIF's: 1 to 8
    chunks: tuple[Chunk, ...] = ()

    @property
    def parameters(self) -> str | None:
        """The text that A1111's readers would take."""
        for name in ("parameters", "UserComment", "comment"):
            for chunk in self.chunks:
                if chunk.name == name:
                    return chunk.text
        return None

    def text(self, name: str) -> str | None:
        return next((chunk.text for chunk in self.chunks if chunk.name == name), None)


def refused(why: str) -> InvalidRequest:
    return InvalidRequest("picture", why)


@dataclass(slots=True)
class Texts:
    """Collects a picture's texts, and refuses what is too much. Not thread-safe."""

    chunks: list[Chunk] = field(default_factory=list)
    _left: int = MAX_TEXTS

    def add(self, name: str, kind: str, text: str) -> None:
        """Raises InvalidRequest once all texts together are too long."""
        self._spend(len(text) + 64)
        self.chunks.append(Chunk(name[:200], kind, text))

    def extend(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self.add(chunk.name, chunk.kind, chunk.text)

    def fitting(self, data: bytes | memoryview) -> bytes:
        """`data`, if one text may have so many bytes."""
        if len(data) > MAX_TEXT:
            raise refused(f"carries a text of {len(data)} bytes; at most {MAX_TEXT} are read")
        return bytes(data)

    def inflated(self, data: bytes | memoryview) -> bytes | None:
        """None for what is no zlib stream."""
        inflater = zlib.decompressobj()
        try:
            text = inflater.decompress(data, MAX_TEXT + 1)
        except zlib.error:
            self._spend(MAX_TEXT // 2)  # it may have cost as much before it failed
            return None
        if len(text) > MAX_TEXT:
            raise refused(f"carries a text that inflates to more than {MAX_TEXT} bytes")
        return text

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise refused(f"carries texts of more than {MAX_TEXTS} bytes")

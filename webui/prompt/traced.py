"""A text that was cut out of the prompt, and where each stretch of it stands there."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traced:
    text: str
    starts: tuple[int, ...]  # offsets into `text`, rising, the first one 0
    origins: tuple[int, ...]  # where in the prompt what begins there stands

    def place(self, offset: int) -> int:
        """Where in the prompt the character at `offset` stands."""
        index = bisect_right(self.starts, offset) - 1
        return self.origins[index] + offset - self.starts[index]

    def range(self, start: int, end: int) -> tuple[int, int]:
        """Where in the prompt these characters stand; what was cut out in between is in it."""
        first = self.place(start)
        return first, max(first, self.place(end - 1) + 1) if end > start else first

    def cut(self, slices: Sequence[tuple[int, int]]) -> "Traced":
        """These slices (start, end) of it, one after the other."""
        return joined((self, start, end) for start, end in slices)


def untouched(text: str) -> Traced:
    return Traced(text, (0,), (0,))


def joined(pieces: Iterable[tuple[Traced, int, int]]) -> Traced:
    """The slices (traced, start, end), one after the other."""
    texts: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = 0
    for traced, start, end in pieces:
        index = bisect_right(traced.starts, start) - 1
        at = start
        while at < end:
            after = traced.starts[index + 1] if index + 1 < len(traced.starts) else end
            starts.append(length + at - start)
            origins.append(traced.origins[index] + at - traced.starts[index])
            at, index = min(end, after), index + 1
        texts.append(traced.text[start:end])
        length += end - start
    return Traced("".join(texts), tuple(starts or [0]), tuple(origins or [0]))

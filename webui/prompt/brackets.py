"""Which brackets belong together, as emphasis sees them: round and square ones apart."""

import re
from collections.abc import Iterator, Sequence

_TOKEN = re.compile(r"\\.|[()\[\]]", re.DOTALL)


def pairs(
    text: str, atoms: Sequence[tuple[int, int]] = ()
) -> tuple[list[tuple[int, int]], list[int]]:
    """Each pair's range, closing bracket included, and where the others stand, escaped ones apart.

    An atom is a range that nobody looks into.
    """
    found: list[tuple[int, int]] = []
    alone: list[int] = []
    stacks: dict[str, list[int]] = {"(": [], "[": []}
    for at in _places(text, atoms):
        sign = text[at]
        if sign in "([":
            stacks[sign].append(at)
        elif stack := stacks["(" if sign == ")" else "["]:
            found.append((stack.pop(), at + 1))
        else:
            alone.append(at)
    return found, sorted([*alone, *stacks["("], *stacks["["]])


def outermost(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges as few, in order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _places(text: str, atoms: Sequence[tuple[int, int]]) -> Iterator[int]:
    position = 0
    for start, end in [*atoms, (len(text), len(text))]:
        for match in _TOKEN.finditer(text, position, start):
            if match[0][0] != "\\":
                yield match.start()
        position = end

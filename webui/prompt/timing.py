"""At which steps a tag holds: a schedule around it switches it like any word.

A1111 takes tags out before it looks at schedules, so there they hold from the first step to the
last. Here the texts are the same, without the tags, and the tags keep their places for this alone.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from webui.errors import InvalidRequest
from webui.prompt import schedules, tags
from webui.prompt.parts import Tag


def timed(taken: Sequence[Tag], text: str, steps: int, hires_steps: int | None) -> list[Tag]:
    """The tags that were taken out of `text`, in their order, with the steps that they hold at.

    Raises InvalidRequest for what is too much to work through.
    """
    found = list(tags.found(text))
    places = [each.start for each in found if each.kind != tags.MIX]
    atoms = [(each.start, each.end) for each in found]
    try:
        stages = schedules.stages(text, steps, hires_steps, atoms).stages
    except InvalidRequest as error:
        raise InvalidRequest("prompt", error.problem) from None
    held: list[list[tuple[int, int]]] = [[] for _ in places]
    first = 1
    for last, slices in stages:
        for start, end in slices:
            for at in range(bisect_left(places, start), bisect_left(places, end)):
                _add(held[at], first, last)
        first = last + 1
    always = ((1, first - 1),)
    return [
        replace(tag, held=None if tuple(each) == always else tuple(each))
        for tag, each in zip(taken, held, strict=True)
    ]


def _add(held: list[tuple[int, int]], first: int, last: int) -> None:
    """One stretch goes on where the one before it ended."""
    if held and held[-1][1] == first - 1:
        held[-1] = (held[-1][0], last)
    else:
        held.append((first, last))

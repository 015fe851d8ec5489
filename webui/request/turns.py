"""How many samplings a batch takes, and how many steps each of them; arithmetic alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from webui.request.loops import strengths
from webui.request.sizes import second_pass, tile_count

if TYPE_CHECKING:
    from webui.request import GenerationRequest, InitImage

WHOLE = 0.999  # the strength that A1111 takes for the most: all steps, whatever their number
_CELL = 8  # pixels; of nearly all models, which is all that an estimate needs


class PlannedTurn(NamedTuple):
    steps: int
    weight: float = 1.0  # what a step takes, of one at the request's own size


def steps_made(steps: int, strength: float, exact: bool = False) -> int:
    """Of `steps` at a denoising strength, as A1111 counts: of 20 at 0.5 not 10 but 10 + 1; all of
    them where `exact`, which take a finer schedule."""
    return steps if exact else min(steps, int(min(strength, WHOLE) * steps) + 1)


def planned(request: GenerationRequest) -> tuple[PlannedTurn, ...]:
    """Each sampling that a batch takes, as far as the request alone says it: of tiles there are as
    many as a picture of the request's size has."""
    if request.upscale is not None:
        return ()
    if request.init is not None:
        return tuple(PlannedTurn(steps) for steps in _from_picture(request, request.init))
    if (hires := request.hires) is None:
        return (PlannedTurn(request.steps),)
    (width, height), _ = second_pass(hires, request.width, request.height, _CELL)
    larger = width * height / (request.width * request.height)
    first = () if hires.picture else (PlannedTurn(request.steps),)
    second = (PlannedTurn(hires.steps or request.steps, larger),) if hires.strength > 0 else ()
    return (*first, *second)


def _from_picture(request: GenerationRequest, init: InitImage) -> Iterator[int]:
    """The steps of each turn."""
    each, count = [init.strength], 1
    if init.loopback is not None:
        each = strengths(init.strength, init.loopback)
    if init.tiles is not None:
        for side in (request.width, request.height):
            count *= tile_count(int(side * init.tiles.scale), side, init.tiles.overlap)
    for strength in each * count:
        yield steps_made(request.steps, strength, init.exact_steps)

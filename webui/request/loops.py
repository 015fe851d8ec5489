"""What each loop of a loopback asks for, as A1111's script has it, and the numbers of the pictures
that loops on the way to the last one make; arithmetic alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from webui.request.images import InitImage, Loopback

if TYPE_CHECKING:
    from webui.request import GenerationRequest

# share of the way from the first strength to the last, of the share of the loops
_CURVES: Mapping[str, Callable[[float], float]] = {
    "aggressive": lambda share: math.sin(share * math.pi / 2),
    "linear": lambda share: share,
    "lazy": lambda share: 1 - math.cos(share * math.pi / 2),
}


def strengths(first: float, asked: Loopback) -> list[float]:
    """Of each loop that is made: from the picture's own to the final one, early, evenly or late."""
    curve, last = _CURVES[asked.curve], max(1, asked.loops - 1)
    way = asked.final_strength - first
    # rounded, so that 0.1 is not a hair less and a step short
    return [round(first + way * curve(loop / last), 6) for loop in range(asked.made)]


def of_loop(init: InitImage, strength: float, loop: int) -> InitImage:
    """What a loop (0-based) begins with: after the first one nothing is filled in any more."""
    mask = init.mask
    if mask is not None and loop > 0:
        mask = replace(mask, content="original")
    return replace(init, strength=strength, mask=mask, loopback=None)


def picture_number(request: GenerationRequest, image: int, loop: int) -> int:
    """What a picture (0-based) is called after a loop (0-based): after the last one as any other,
    before it by a number behind those of all images."""
    before = made(request) - 1
    return image if loop == before else request.images + image * before + loop


def place_of(request: GenerationRequest, number: int) -> tuple[int, int]:
    """(image, loop) of a picture's number: the inverse, and the order in which pictures hang. The
    grid of all, -1, comes first."""
    before = made(request) - 1
    if number < request.images or before < 1:
        return number, before
    image, loop = divmod(number - request.images, before)
    return image, loop


def made(request: GenerationRequest) -> int:
    """How many pictures come of each image, one after the other; 1 without a loopback."""
    init = request.init
    return init.loopback.made if init is not None and init.loopback is not None else 1


def after(request: GenerationRequest, loop: int) -> GenerationRequest:
    """That ends with this loop (0-based)."""
    init = request.init
    assert init is not None and init.loopback is not None
    if loop == init.loopback.made - 1:
        return request
    return replace(
        request, init=replace(init, loopback=replace(init.loopback, stop_after=loop + 1))
    )

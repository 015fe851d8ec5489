"""What each loop of a loopback asks for, as A1111's script has it; arithmetic alone."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from webui.request.images import InitImage, Loopback

# share of the way from the first strength to the last, of the share of the loops
_CURVES: Mapping[str, Callable[[float], float]] = {
    "aggressive": lambda share: math.sin(share * math.pi / 2),
    "linear": lambda share: share,
    "lazy": lambda share: 1 - math.cos(share * math.pi / 2),
}


def strengths(first: float, asked: Loopback) -> list[float]:
    """Of each loop: from the picture's own to the final one, early, evenly or late."""
    curve, last = _CURVES[asked.curve], max(1, asked.loops - 1)
    way = asked.final_strength - first
    # rounded, so that 0.1 is not a hair less and a step short
    return [round(first + way * curve(loop / last), 6) for loop in range(asked.loops)]


def of_loop(init: InitImage, strength: float, loop: int) -> InitImage:
    """What a loop (0-based) begins with: after the first one nothing is filled in any more."""
    mask = init.mask
    if mask is not None and loop > 0:
        mask = replace(mask, content="original")
    return replace(init, strength=strength, mask=mask, loopback=None)

"""Linear multistep: a curve through the last slopes, integrated exactly. One call a step."""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.errors import InvalidRequest
from webui.interfaces import Denoiser, Noise, Step


def lms(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    order: int = 4,
) -> Iterator[Step]:
    """Adams and Bashforth's method for uneven steps: Hairer et al., Solving ODEs I, III.5."""
    if not 1 <= order <= 4:
        raise InvalidRequest("sampling.order", f"must be from 1 to 4 for LMS, got {order}")
    made, levels = list(past), sigmas.tolist()
    for i in range(len(past), len(sigmas) - 1):
        denoised = denoise(x, sigmas[i])
        slopes = [(x - denoised) / levels[i]]
        slopes += [slope(made, j, levels) for j in range(i - 1, max(-1, i - order), -1)]
        known = [levels[i - back] for back in range(len(slopes))]
        weights = [weight(known, j, levels[i], levels[i + 1]) for j in range(len(known))]
        x = x + sum(w * s for w, s in zip(weights, slopes, strict=True))
        made.append(Step(x, denoised))
        yield made[-1]


def slope(made: Sequence[Step], i: int, levels: Sequence[float]) -> Tensor:
    """dx/dsigma at the start of step i (0-based), from what the steps left behind.

    Step 0's own start is not kept. It was an Euler step, a straight line, so the slope at its
    end is the same.
    """
    if i == 0:
        return (made[0].x - made[0].denoised) / levels[1]
    return (made[i - 1].x - made[i].denoised) / levels[i]


def weight(known: Sequence[float], j: int, start: float, end: float) -> float:
    """The integral from start to end of Lagrange's polynomial that is 1 at known[j], 0 elsewhere.

    Gauss' rule with two points is exact for the cubics that four slopes make at most.
    """

    def lagrange(at: float) -> float:
        others = (other for k, other in enumerate(known) if k != j)
        return math.prod((at - other) / (known[j] - other) for other in others)

    middle, reach = (start + end) / 2, (end - start) / 2 / math.sqrt(3)
    return (lagrange(middle - reach) + lagrange(middle + reach)) * (end - start) / 2

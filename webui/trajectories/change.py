"""How much the predicted picture changed from step to step, and when it had settled."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from webui.trajectories.files import KeptStep, Latents

SETTLED = 0.05  # relative distance to the last prediction that is taken for none


def changes(steps: Sequence[KeptStep]) -> list[float | None]:
    """Of each step |x0 - x0 of the step before| / |x0|, L2 over the predicted latents; None for
    the first."""
    later = [_distance(step.denoised, before.denoised) for before, step in pairwise(steps)]
    return [None, *later][: len(steps)]


def needed(steps: Sequence[KeptStep]) -> int | None:
    """The first step from which on every prediction is nearer than SETTLED to the last one.

    None for a run that has not come to its end.
    """
    if not steps or steps[-1].sigma > 0:
        return None
    last = steps[-1].denoised
    settled = steps[-1].step
    for step in reversed(steps):
        if _distance(last, step.denoised) > SETTLED:
            break
        settled = step.step
    return settled


def _distance(one: Latents, other: Latents) -> float:
    """|one - other| / |one|."""
    length = float(np.linalg.norm(one.astype(np.float64)))
    apart = float(np.linalg.norm(one.astype(np.float64) - other))
    return apart / length if length else 0.0

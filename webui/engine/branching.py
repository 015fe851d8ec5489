"""A branch: where a picture's kept steps end, and how the rest of the way is walked.

With the same sampler, options, schedule and number of steps the walk is the old one, to the bit.
Otherwise the new schedule is cut at the level that the kept steps have come to; the same sampler is
told of its steps, another one begins there, as does one with a pace of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from webui.errors import InvalidRequest
from webui.interfaces import SamplerEntry
from webui.request import GenerationRequest, from_dict, to_dict
from webui.trajectories import SAMPLING, Header, KeptStep, KeptTurn

_NEAR = 1 - 1e-4  # a level this near below the last one is the same, but for rounding


@dataclass(frozen=True, slots=True)
class Branch:
    steps: Sequence[KeptStep]  # inherited
    begun: int  # how many of them are none of the sampler's own
    sigmas: Tensor  # (n + 1,) of the whole walk, inherited levels included


def branch_of(
    request: GenerationRequest, entry: SamplerEntry, sigmas: Tensor, inherited: KeptTurn
) -> Branch:
    """`sigmas` (n + 1,) are those that the request has without a branch. Raises InvalidRequest."""
    header, steps = inherited.header, inherited.steps
    _check_same(request, header, steps[-1])
    asked, made = to_dict(request), len(steps)
    kept = to_dict(from_dict(header.request))  # with what requests did not have then
    if made >= header.begun and all(asked[name] == kept[name] for name in SAMPLING):
        return Branch(steps, header.begun, torch.tensor(header.sigmas))
    same = all(asked[name] == kept[name] for name in ("sampler", "sampling"))
    goes_on = same and made >= header.begun and not entry.own_pace
    begun = header.begun if goes_on else made
    levels = [header.sigmas[0], *(step.sigma for step in steps)]
    left = sigmas[sigmas < levels[-1] * _NEAR].tolist()
    walk = torch.tensor([*levels, *left])
    total = len(walk) - 1
    return Branch([_fitted(step, entry, total) for step in steps], begun, walk)


def whole(entry: SamplerEntry, inherited: KeptTurn) -> Branch:
    """A turn that is taken over as it was: nothing is left to walk."""
    sigmas = torch.tensor(inherited.header.sigmas)
    steps = [_fitted(step, entry, step.steps) for step in inherited.steps]
    return Branch(steps, inherited.header.begun, sigmas)


def _check_same(request: GenerationRequest, header: Header, last: KeptStep) -> None:
    """What a branch cannot change."""
    asked = to_dict(request)
    for name in ("model", "width", "height", "rng"):
        if asked[name] != header.request.get(name):
            was = header.request.get(name)
            raise InvalidRequest(name, f"must be that of the picture, {was}, got {asked[name]}")
    if last.sigma == 0:
        raise InvalidRequest("resume.step", f"{last.step} is the last one: nothing is left to do")


def _fitted(step: KeptStep, entry: SamplerEntry, total: int) -> KeptStep:
    """As the new sampler's trajectory keeps it."""
    memory = step.memory if entry.memory else None
    if entry.memory and memory is None:
        memory = np.zeros_like(step.x)
    return replace(step, memory=memory, steps=total)

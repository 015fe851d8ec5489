"""Between vectors: sums and arcs, of token vectors and of whole encodings.

What a factor of 0 would add is left out, and a factor of 1 alone gives the tensor itself, so that
a mix at its ends is its parent bit for bit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from webui.prompt.parts import Mixing

_STRAIGHT = 1e-4  # sine of an angle below which arc and line are the same in float32

Weighed = Sequence[tuple[float, Tensor]]


def combined(parts: Weighed, mixing: Mixing) -> Tensor:
    """A sum, or one turn after the other: what comes before is turned towards each tensor by its
    factor, and the first one's factor is not looked at. All have one shape; arcs are taken along
    the last axis."""
    if mixing == "linear":
        return linear(parts)
    result = parts[0][1]
    for share, tensor in parts[1:]:
        result = slerp(result, tensor, share)
    return result


def linear(parts: Weighed) -> Tensor:
    """The sum of factor times tensor."""
    counted = [(factor, tensor) for factor, tensor in parts if factor != 0]
    if not counted:
        return torch.zeros_like(parts[0][1])
    if len(counted) == 1 and counted[0][0] == 1:
        return counted[0][1]
    return torch.stack([factor * tensor.float() for factor, tensor in counted]).sum(0)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Shoemake 1985, section 3.3: along the arc between two directions, by `share` of its angle.

    Vectors lie along the last axis and keep their lengths at the ends. Where the two point the
    same way or opposite ways there is no one arc, and the line is taken.
    """
    if share == 0:
        return start
    if share == 1:
        return end
    one, two = start.float(), end.float()
    cosine = torch.cosine_similarity(one, two, dim=-1).clamp(-1, 1)[..., None]
    angle = torch.arccos(cosine)
    sine = torch.sin(angle)
    arc = (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * two) / sine
    line = one + share * (two - one)
    return torch.where(sine > _STRAIGHT, arc, line)

"""What the weights of tokens do to a window's encoding, as A1111 does it."""

from collections.abc import Sequence

import torch
from torch import Tensor


def emphasised(hidden: Tensor, weights: Sequence[float], emphasis: str) -> Tensor:
    """Each token's vectors times its weight; (1, 77, width) in and out.

    `weights` are those of the tokens; begin, end and padding keep 1. "original" then scales the
    window so that its mean is what it was; "no norm" does not; any other leaves all as it is. So do
    weights that are all 1: not even the rounding changes.
    """
    if emphasis not in ("original", "no norm") or all(weight == 1 for weight in weights):
        return hidden
    factors = torch.ones(hidden.shape[1], device=hidden.device)
    factors[1 : len(weights) + 1] = torch.tensor(weights, device=hidden.device)
    plain = hidden.float()
    weighted = plain * factors[:, None]
    if emphasis == "original" and (mean := weighted.mean()) != 0:
        weighted = weighted * (plain.mean() / mean)
    return weighted.to(hidden.dtype)

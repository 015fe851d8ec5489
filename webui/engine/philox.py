"""Normal noise as torch draws it on an NVIDIA card, computed on the CPU.

Philox 4x32-10: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". Each number of a
draw has a counter of its own, so all of them are made at once.
"""

from math import prod, tau

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[np.uint32]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio, and sqrt(3) - 1: added to the key each round
_ROUNDS = 10
_MASK = 0xFFFFFFFF


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """`counter` (4, n) -> (4, n) random words."""
    first, second, third, fourth = counter
    for step in range(_ROUNDS):
        keys = [np.uint32((key[i] + _WEYL[i] * step) & _MASK) for i in (0, 1)]
        low = first.astype(np.uint64) * _MULTIPLIERS[0]
        high = third.astype(np.uint64) * _MULTIPLIERS[1]
        first, second, third, fourth = (
            _upper(high) ^ second ^ keys[0],
            high.astype(np.uint32),
            _upper(low) ^ fourth ^ keys[1],
            low.astype(np.uint32),
        )
    return np.stack([first, second, third, fourth])


def _upper(product: NDArray[np.uint64]) -> Words:
    return (product >> np.uint64(32)).astype(np.uint32)


class PhiloxStream:
    """What `torch.randn(..., device="cuda")` gives after `manual_seed(seed)`, call by call.

    For draws of up to about 100,000 numbers: for more, a card's number of cores decides which
    counter a number gets.
    """

    def __init__(self, seed: int) -> None:
        """`seed` 0 to 2**64 - 1."""
        self._key = (seed & _MASK, seed >> 32 & _MASK)
        self._draws = 0

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """The next draw, float32."""
        count = prod(shape)
        counter = np.zeros((4, count), np.uint32)
        counter[0] = self._draws
        counter[2] = np.arange(count, dtype=np.uint32)
        self._draws += 1
        words = philox(counter, self._key)
        # Box and Muller's method as in cuRAND: uniform numbers from the middle of 2**32 cells
        radius, angle = ((words[i].astype(np.float64) + 0.5) * 2.0**-32 for i in (0, 1))
        normal = np.sqrt(-2 * np.log(radius)) * np.sin(tau * angle)
        return torch.from_numpy(normal.astype(np.float32).reshape(shape))

"""Noise for SDE samplers: increments of one Brownian path for each image.

The path is fixed by the image's seed, not by who asks when: more steps look at the same path more
closely, so that a picture settles with their number, and a resumed run has nothing to replay.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from webui.engine.noise import STREAMS, Stream

_DIGITS = 6  # levels are rounded to these decimals
_POOL = 24  # words of entropy that a node's seed is mixed from
_KNOWN = 64  # nodes that are remembered


class BrownianNoise:
    """Call it for unit noise (B, C, h, w), float32, for an interval of noise levels.

    As A1111 and k-diffusion: one tree an image over all levels, to the bit the one of torchsde's
    `BrownianTree` (tolerance 1e-6).
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        sigmas: Tensor,
        device: torch.device,
        rng: str = "cpu",
    ) -> None:
        """`shape` (C, h, w) of one image's latent; `sigmas` (n + 1,) all levels, the last 0."""
        low, high = float(sigmas[sigmas > 0].min()), float(sigmas.max())
        self._trees = [BrownianTree(seed, shape, low, high, STREAMS[rng]) for seed in seeds]
        self._device = device

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        low, high = float(sigma_next), float(sigma)
        moved = torch.stack([tree.increment(low, high) for tree in self._trees])
        return (moved / -math.sqrt(high - low)).to(self._device)


class _Node(NamedTuple):
    start: float
    end: float
    moved: Tensor  # (C, h, w) how far the path moves in it
    number: int  # among the nodes of its depth, from the left
    depth: int


class BrownianTree:
    """A Brownian path between two levels: halved again and again, each half seeded by its place.

    Li et al. 2020 (arXiv:2001.01328), algorithm 3, with the seeds of torchsde 0.2.6.
    """

    def __init__(
        self,
        seed: int,
        shape: tuple[int, ...],
        low: float,
        high: float,
        stream: Callable[[int], Stream],
    ) -> None:
        self._seed, self._shape, self._stream = seed, shape, stream
        self._drawn = lru_cache(_KNOWN)(self._draw)
        moved = self._drawn() * math.sqrt(high - low)
        self._root = _Node(round(low, _DIGITS), round(high, _DIGITS), moved, 0, 0)

    def increment(self, low: float, high: float) -> Tensor:
        """How far the path moves from `low` to `high`; levels beyond its ends are taken there."""
        start, end = self._root.start, self._root.end
        low, high = (min(max(round(level, _DIGITS), start), end) for level in (low, high))
        if low >= high:
            return torch.zeros(self._shape)
        first, *rest = self._within(low, high, self._root)
        return sum(rest, start=first)

    def _within(self, low: float, high: float, node: _Node) -> list[Tensor]:
        """The increments of the largest nodes that [low, high] is made of, from the left."""
        if (low, high) == (node.start, node.end):
            return [node.moved]
        left, right = self._halves(node)
        parts = self._within(low, min(high, left.end), left) if low < left.end else []
        if high > right.start:
            parts += self._within(max(low, right.start), high, right)
        return parts

    def _halves(self, node: _Node) -> tuple[_Node, _Node]:
        """A Brownian bridge: where the path is in the middle, given where it ends."""
        middle = round(0.5 * (node.end + node.start), _DIGITS)
        before, after, share = middle - node.start, node.end - middle, 1 / (node.end - node.start)
        drawn = self._drawn(node.number, node.depth)
        left = before * node.moved * share + math.sqrt(before * after * share) * drawn
        number, depth = 2 * node.number, node.depth + 1
        return (
            _Node(node.start, middle, left, number, depth),
            _Node(middle, node.end, node.moved - left, number + 1, depth),
        )

    def _draw(self, *place: int) -> Tensor:
        """The noise that belongs to a node; without a place, the one of the whole."""
        entropy = np.random.SeedSequence(self._seed, spawn_key=place, pool_size=_POOL)
        return self._stream(int(entropy.generate_state(1)[0]))(self._shape)

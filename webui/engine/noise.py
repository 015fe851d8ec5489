"""Seeded noise, one generator for each image, so that a batch never changes what a seed gives.

Knows nothing of samplers; a resumed run skips the draws that were made before.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class SeededNoise:
    """Call it for fresh unit noise (B, C, h, w), float32.

    Drawn on the CPU: the same numbers on every device. It ignores the interval, which only noise
    with a memory (a Brownian tree) needs.
    """

    def __init__(
        self, seeds: Sequence[int], shape: tuple[int, int, int], device: torch.device
    ) -> None:
        """`shape` (C, h, w) of one image's latent."""
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._shape = shape
        self._device = device
        self.draws = 0

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return self.draw()

    def draw(self) -> Tensor:
        """The next draw of every generator, stacked: (B, C, h, w)."""
        self.draws += 1
        images = [torch.randn(self._shape, generator=each) for each in self._generators]
        return torch.stack(images).to(self._device)

    def skip_to(self, draws: int) -> None:
        """Discards draws until `draws` have been made."""
        while self.draws < draws:
            self.draw()

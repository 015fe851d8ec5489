"""Seeded noise, one stream for each image, so that a batch never changes what a seed gives.

Knows nothing of samplers; a resumed run skips the draws that were made before. All of it is drawn
on the CPU: the same numbers on every device.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from webui.engine.philox import PhiloxStream

Stream = Callable[[tuple[int, ...]], Tensor]  # a shape -> the next draw, float32


class TorchStream:
    """What torch's own generator on the CPU gives."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator)


STREAMS: Mapping[str, Callable[[int], Stream]] = {"cpu": TorchStream, "nv": PhiloxStream}


class SeededNoise:
    """Call it for fresh unit noise (B, C, h, w), float32.

    It ignores the interval, which only noise with a memory (a Brownian tree) needs.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        device: torch.device,
        rng: str = "cpu",
    ) -> None:
        """`shape` (C, h, w) of one image's latent."""
        self._seeds = seeds
        self._stream = STREAMS[rng]
        self._streams = [self._stream(seed) for seed in seeds]
        self._shape = shape
        self._device = device
        self.draws = 0

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return self.draw()

    def draw(self) -> Tensor:
        """The next draw of every stream, stacked: (B, C, h, w)."""
        return self._stacked(self._draw())

    def skip_to(self, draws: int) -> None:
        """Discards draws until `draws` have been made."""
        while self.draws < draws:
            self._draw()

    def start(
        self,
        variation: Sequence[int] = (),
        strength: float = 0.0,
        old_size: tuple[int, int] | None = None,
    ) -> Tensor:
        """The first draw (B, C, h, w), changed as A1111 changes it.

        `variation` are seeds, one for each image, that the noise is turned towards. With `old_size`
        (h, w) of a latent, all this is done at that size and put into the middle of the draw.
        """
        images = self._draw()
        size = self._shape[:1] + (old_size or self._shape[1:])
        for place, seed in enumerate(self._seeds):
            noise = images[place] if size == self._shape else self._stream(seed)(size)
            if strength != 0:
                noise = slerp(strength, noise, self._stream(variation[place])(size))
            images[place] = noise if size == self._shape else pasted(noise, images[place])
        return self._stacked(images)

    def _draw(self) -> list[Tensor]:
        self.draws += 1
        return [stream(self._shape) for stream in self._streams]

    def _stacked(self, images: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(images)).to(self._device)


def slerp(share: float, low: Tensor, high: Tensor) -> Tensor:
    """Turns `low` towards `high`, both (C, h, w): Shoemake 1985, along the arc between them.

    Each column of a channel is a vector of its own, as in A1111, whose pictures depend on it.
    """
    lengths = low.norm(dim=1, keepdim=True) * high.norm(dim=1, keepdim=True)
    dot: Tensor = (low * high).sum(1, keepdim=True) / lengths
    if dot.mean() > 0.9995:
        return low * (1 - share) + high * share
    angle = dot.acos()
    turned = ((1 - share) * angle).sin() * low + (share * angle).sin() * high
    return turned / angle.sin()


def pasted(old: Tensor, fresh: Tensor) -> Tensor:
    """`fresh` (C, h, w) with `old` (C, h', w') in its middle; what does not fit is cut off."""
    result = fresh.clone()
    (into_y, from_y), (into_x, from_x) = (
        _overlap(old.shape[side], fresh.shape[side]) for side in (1, 2)
    )
    result[:, into_y, into_x] = old[:, from_y, from_x]
    return result


def _overlap(old: int, new: int) -> tuple[slice, slice]:
    """(where in the new length, where in the old one)."""
    offset = (new - old) // 2
    length = old if offset >= 0 else old + 2 * offset
    into, begin = max(offset, 0), max(-offset, 0)
    return slice(into, into + length), slice(begin, begin + length)

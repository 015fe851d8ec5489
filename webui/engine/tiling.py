"""A picture worked on tile by tile: where tiles lie, and how much each counts where they overlap.

Along each side the weights of all tiles add up to 1, so what the tiles agree on stays as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from webui.request.sizes import tile_count

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one side of the picture."""

    start: int
    stop: int
    weights: Floats  # of each pixel that it becomes, in [0, 1]


def spans(length: int, tile: int, overlap: int, blend: int, scale: int = 1) -> list[Span]:
    """Equal tiles over a side of `length`, each overlapping the next by at least `overlap`.

    Neighbours fade into each other over `blend` at most, in the middle of what they share: what is
    nearer to a tile's border counts nothing. Takes 0 <= blend <= overlap < tile.
    """
    count = tile_count(length, tile, overlap)
    if count == 1:
        return [Span(0, length, np.ones(length * scale, np.float32))]
    starts = [round(k * (length - tile) / (count - 1)) for k in range(count)]
    blend = min(blend, *(right - left for left, right in pairwise(starts)))
    borders = [(left + tile + right) / 2 for left, right in pairwise(starts)]
    places = (np.arange(length * scale) + 0.5) / scale
    # how far each border has been passed at each place, from 0 to 1
    passed = [
        np.ones(length * scale),
        *(_ramp(places, border, blend) for border in borders),
        np.zeros(length * scale),
    ]
    weights = [(before - after).astype(np.float32) for before, after in pairwise(passed)]
    return [
        Span(start, start + tile, each[start * scale : (start + tile) * scale])
        for start, each in zip(starts, weights, strict=True)
    ]


def _ramp(places: NDArray[np.float64], border: float, blend: int) -> NDArray[np.float64]:
    if blend == 0:
        return (places >= border).astype(np.float64)
    return np.clip((places - border) / blend + 0.5, 0, 1)


class Canvas:
    """Tiles laid over each other row by row, from the top; only the row in hand is not 8-bit."""

    def __init__(self, rows: Sequence[Span], columns: Sequence[Span], scale: int) -> None:
        """The spans are those of the picture before it is made larger by `scale`."""
        self._rows = rows
        self._columns = columns
        self._scale = scale
        height, width = rows[-1].stop * scale, columns[-1].stop * scale
        self.pixels: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        self._strip: Floats = np.zeros((0, width, 3), np.float32)  # summed up so far
        self._done = 0  # pixels from the top that are whole

    def places(self) -> Iterator[tuple[Span, Span]]:
        """(row, column) of each tile, in the order in which `lay` takes them."""
        for row, after in zip(self._rows, [*self._rows[1:], None], strict=True):
            height, width = row.stop * self._scale - self._done, self.pixels.shape[1]
            carried, self._strip = self._strip, np.zeros((height, width, 3), np.float32)
            self._strip[: len(carried)] = carried
            for column in self._columns:
                yield row, column
            self._finish(row.stop if after is None else after.start)

    def lay(self, row: Span, column: Span, made: Floats) -> None:
        """`made` (h, w, 3) in [0, 1] is what has become of the tile."""
        scale = self._scale
        down, across = row.weights[:, None, None], column.weights[None, :, None]
        top = row.start * scale - self._done
        place = slice(column.start * scale, column.stop * scale)
        self._strip[top:, place] += made * down * across

    def _finish(self, until: int) -> None:
        """Nothing more comes above `until`."""
        rows = until * self._scale - self._done
        whole = np.clip(self._strip[:rows], 0, 1) * 255
        self.pixels[self._done : self._done + rows] = np.rint(whole).astype(np.uint8)
        self._strip = self._strip[rows:]
        self._done += rows

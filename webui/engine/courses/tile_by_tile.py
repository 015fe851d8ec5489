"""A picture made larger, then made anew tile by tile, each tile a turn of its own.

In A1111: the script SD upscale. All noise is cut from what the seed gives for the whole picture, so
that tiles see the same noise where they overlap; there they fade into each other.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from webui.engine.bench import Bench
from webui.engine.pixels import opened, tensor
from webui.engine.tiling import Canvas, Span, spans
from webui.engine.turns import Course, Part, Result, Start, Turn, View
from webui.events import Picture, Stage
from webui.masking import Box, laid_on
from webui.request import GenerationRequest, InitImage, Tiles
from webui.request.sizes import Size, in_tiles

_SEEN = 512  # pixels of the longer side, of the whole picture in previews


def tile_by_tile(bench: Bench, request: GenerationRequest, init: InitImage, asked: Tiles) -> Course:
    """A turn for each tile; where it is stopped, the rest is the picture made larger."""
    factor = bench.model.scale_factor
    source = laid_on(bench.read("init.picture", init.picture))
    whole = yield from bench.upscaling.enlarged(
        "init.tiles.upscaler",
        asked.upscaler,
        source,
        in_tiles(asked, *source.size, factor),
        bench.stopped,
    )
    if whole is None:
        return iter(())
    rows, columns = _grid(request, asked, whole.size, factor)
    canvas, seen = Canvas(rows, columns, factor), _seen(whole)
    notes: set[str] = set()
    for row, column in canvas.places():
        left, top = column.start * factor, row.start * factor
        box = (left, top, column.stop * factor, row.stop * factor)
        tile = whole.crop(box)
        if not bench.stopped():
            yield Stage("encoding picture")
            latents, said = bench.encode(tensor(tile))
            made = yield Turn(
                request,
                bench.model,
                Start(latents, init.strength, init.exact_steps, init.noise_multiplier),
                len(rows) * len(columns),
                view=seen.view(box),
                part=Part((rows[-1].stop, columns[-1].stop), row.start, column.start),
                resized=tile.size,
            )
            assert made is not None
            (result,) = bench.decode(made.latents)
            tile = opened(result.picture)
            seen.whole = seen.view(box)(tile)
            notes |= {*said, *result.notes}
        canvas.lay(row, column, np.asarray(tile, np.float32) / np.float32(255))
    height, width, _ = canvas.pixels.shape
    return iter([Result(Picture(width, height, canvas.pixels.tobytes()), tuple(sorted(notes)))])


def _grid(
    request: GenerationRequest, asked: Tiles, size: Size, factor: int
) -> tuple[list[Span], list[Span]]:
    """Rows and columns, in latent cells."""
    tile = (request.width, request.height)
    overlap = asked.overlap // factor
    columns, rows = (
        spans(side // factor, each // factor, overlap, overlap, factor)
        for side, each in zip(size, tile, strict=True)
    )
    return rows, columns


def _seen(whole: Image.Image) -> "_Seen":
    shown = min(1.0, _SEEN / max(whole.size))
    size = (max(1, round(whole.width * shown)), max(1, round(whole.height * shown)))
    return _Seen(whole.resize(size, Image.Resampling.BOX), shown)


@dataclass(slots=True)
class _Seen:
    """The whole picture, small, with the tiles that are made: what previews show."""

    whole: Image.Image
    shown: float  # of its size

    def view(self, box: Box) -> View:
        """A drawn tile in its place."""

        def placed(drawn: Image.Image) -> Image.Image:
            seen = self.whole.copy()
            left, top, right, bottom = (round(each * self.shown) for each in box)
            size = max(1, right - left), max(1, bottom - top)
            seen.paste(drawn.resize(size, Image.Resampling.BILINEAR), (left, top))
            return seen

        return placed

"""How large pictures become that are made larger: sizes are (width, height). Knows no pixels."""

from webui.request.images import Hires, Tiles, Upscale

Size = tuple[int, int]


def upscaled(asked: Upscale, width: int, height: int) -> tuple[Size, Size]:
    """What a picture is made larger to, and what is cut out of the middle of that."""
    if not asked.width and not asked.height:
        size = _times((width, height), asked.scale, asked.scale)
        return size, size
    across, down = asked.width / width, asked.height / height
    if not asked.width or not asked.height:
        size = _times((width, height), across or down, across or down)
        return size, size
    if asked.crop:
        factor = max(across, down)
        return _times((width, height), factor, factor), (asked.width, asked.height)
    factor = min(across, down)
    size = _times((width, height), factor, factor)
    return size, size


def second_pass(asked: Hires, width: int, height: int, cell: int) -> tuple[Size, Size]:
    """What the first pass's picture is made larger to, and what is cut out of the middle of that.

    `cell` is pixels per latent cell: both sizes are multiples of it, rounded down as in A1111.
    """
    if not asked.width and not asked.height:
        size = _cells(width * asked.scale, height * asked.scale, cell)
        return size, size
    across, down = asked.width / width, asked.height / height
    factor = max(across, down)  # one of them alone: the other is 0
    scaled = _cells(width * factor, height * factor, cell)
    wanted = _cells(asked.width or scaled[0], asked.height or scaled[1], cell)
    return (max(scaled[0], wanted[0]), max(scaled[1], wanted[1])), wanted


def in_tiles(asked: Tiles, width: int, height: int, cell: int) -> Size:
    """What a picture is made larger to before its tiles are made anew: a multiple of `cell`."""
    return _cells(width * asked.scale, height * asked.scale, cell)


def tile_count(length: int, tile: int, overlap: int) -> int:
    """How many tiles cover a side of `length`, each overlapping the next by at least `overlap`."""
    return 1 if length <= tile else -(-(length - overlap) // (tile - overlap))


def middle(size: Size, wanted: Size, cell: int = 1) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of `wanted` in the middle of `size`, at a multiple of `cell`."""
    left, top = (
        (all_of_it - part) // 2 // cell * cell for all_of_it, part in zip(size, wanted, strict=True)
    )
    return left, top, left + wanted[0], top + wanted[1]


def _times(size: Size, across: float, down: float) -> Size:
    return max(1, round(size[0] * across)), max(1, round(size[1] * down))


def _cells(width: float, height: float, cell: int) -> Size:
    # a hair more, so that 1.1 x 640 is 704 and not one cell less
    return tuple(max(1, int(side / cell + 1e-6)) * cell for side in (width, height))  # type: ignore[return-value]

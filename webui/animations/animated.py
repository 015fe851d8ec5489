"""Animated WebP and GIF, by Pillow. Both go round for ever and rest on the last frame."""

import io
from collections.abc import Sequence

from PIL import Image

_REST = 1500  # milliseconds that the last frame is shown at least
_LEAST = 20  # milliseconds; browsers slow a GIF down that goes faster


def webp(frames: Sequence[Image.Image], rate: float) -> bytes:
    """`rate` in frames a second."""
    return _saved(frames, "WEBP", _durations(len(frames), rate), quality=85, method=2)


def gif(frames: Sequence[Image.Image], rate: float) -> bytes:
    """`rate` in frames a second; a GIF counts in hundredths, with 256 colours a frame."""
    durations = [round(each, -1) for each in _durations(len(frames), rate)]
    coloured = [frame.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    return _saved(coloured, "GIF", durations, disposal=1, optimize=False)


def _durations(count: int, rate: float) -> list[int]:
    each = max(_LEAST, round(1000 / rate))
    return [each] * (count - 1) + [max(each, _REST)]


def _saved(
    frames: Sequence[Image.Image], kind: str, durations: list[int], **options: object
) -> bytes:
    buffer = io.BytesIO()
    first, *rest = frames
    first.save(
        buffer, kind, save_all=True, append_images=rest, duration=durations, loop=0, **options
    )
    return buffer.getvalue()

"""A contact sheet: all frames side by side, row by row, each with a line of text below it."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

_LINE = 16  # pixels
_GAP = 4  # pixels
_PAPER, _INK = (24, 24, 27), (228, 228, 231)


def labelled(frame: Image.Image, text: str) -> Image.Image:
    """`frame` with a line below it."""
    width, height = frame.size
    made = Image.new("RGB", (width, height + _LINE), _PAPER)
    made.paste(frame, (0, 0))
    ImageDraw.Draw(made).text((3, height + 2), text, fill=_INK)
    return made


def sheet(frames: Sequence[Image.Image]) -> bytes:
    """A JPEG, about as wide as high."""
    width, height = frames[0].size
    columns = max(1, min(len(frames), round(math.sqrt(len(frames) * height / width))))
    rows = math.ceil(len(frames) / columns)
    size = (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP)
    paper = Image.new("RGB", size, _PAPER)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        place = (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP))
        paper.paste(frame, place)
    buffer = io.BytesIO()
    paper.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()

"""The finished plot as one picture: cells in their places, labels at the edges.

X goes from left to right, Y from top to bottom; the planes of Z stand under one another.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .plots import Plot

_MOST_PIXELS = 2**26  # of the whole; larger grids are made smaller
_PAPER, _INK, _EMPTY = (255, 255, 255), (24, 24, 27), (226, 226, 230)
_PAD = 8  # pixels around a label
_LONGEST = 300  # characters of a label
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")

Places = Mapping[tuple[int, int, int], Path]


def drawn(plot: Plot, pictures: Places) -> Image.Image | None:
    """The grid; None without any picture. A cell without one stays empty."""
    sizes = [size for path in pictures.values() if (size := _size(path))]
    if not sizes:
        return None
    width, height = max(each[0] for each in sizes), max(each[1] for each in sizes)
    across, down, deep = plot.sizes
    share = min(1.0, (_MOST_PIXELS / (width * height * across * down * deep)) ** 0.5)
    return _Sheet(plot, max(1, int(width * share)), max(1, int(height * share))).draw(pictures)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


class _Sheet:
    """Where everything stands."""

    def __init__(self, plot: Plot, width: int, height: int) -> None:
        self.plot, self.width, self.height = plot, width, height
        self.font = ImageFont.load_default(max(12, min(width, height) // 16))
        labels = {each.letter: each.values for each in plot.axes} if plot.legend else {}
        self.columns = [self._wrapped(each, width) for each in labels.get("x", ())]
        self.rows = [self._wrapped(each, max(96, width * 2 // 3)) for each in labels.get("y", ())]
        self.planes = [self._wrapped(each, width * 3) for each in labels.get("z", ())]
        self.left = max((self._extent(each)[0] for each in self.rows), default=0)
        self.top = max((self._extent(each)[1] for each in self.columns), default=0)
        self.title = max((self._extent(each)[1] for each in self.planes), default=0)
        across, down, self.deep = plot.sizes
        self.across = across * width + (across - 1) * plot.margin
        self.down = down * height + (down - 1) * plot.margin
        self.plane = self.title + self.top + self.down

    def draw(self, pictures: Places) -> Image.Image:
        between = (self.deep - 1) * self.plot.margin
        size = (self.left + self.across, self.deep * self.plane + between)
        sheet = Image.new("RGB", size, _PAPER)
        pen = ImageDraw.Draw(sheet)
        for z in range(self.deep):
            self._edges(pen, z, z * (self.plane + self.plot.margin))
        for cell in self.plot.cells:
            self._cell(sheet, cell, pictures.get(cell))
        return sheet

    def _edges(self, pen: ImageDraw.ImageDraw, z: int, top: int) -> None:
        middle = self.left + self.across // 2
        if self.planes:
            self._text(pen, self.planes[z], middle, top + self.title // 2)
        for x, label in enumerate(self.columns):
            at = self.left + x * (self.width + self.plot.margin) + self.width // 2
            self._text(pen, label, at, top + self.title + self.top // 2)
        for y, label in enumerate(self.rows):
            at = top + self.title + self.top + y * (self.height + self.plot.margin)
            self._text(pen, label, self.left // 2, at + self.height // 2)

    def _cell(self, sheet: Image.Image, cell: tuple[int, int, int], path: Path | None) -> None:
        x, y, z = cell
        left = self.left + x * (self.width + self.plot.margin)
        top = z * (self.plane + self.plot.margin) + self.title + self.top
        top += y * (self.height + self.plot.margin)
        picture = _opened(path) if path is not None else None
        if picture is None:
            sheet.paste(_EMPTY, (left, top, left + self.width, top + self.height))
            return
        picture.thumbnail((self.width, self.height))
        away = (self.width - picture.width) // 2, (self.height - picture.height) // 2
        sheet.paste(picture, (left + away[0], top + away[1]))

    def _text(self, pen: ImageDraw.ImageDraw, text: str, x: int, y: int) -> None:
        pen.multiline_text((x, y), text, _INK, self.font, anchor="mm", align="center")

    def _extent(self, text: str) -> tuple[int, int]:
        left, top, right, bottom = self._measure.multiline_textbbox((0, 0), text, self.font)
        return int(right - left) + 2 * _PAD, int(bottom - top) + 2 * _PAD

    def _wrapped(self, text: str, width: int) -> str:
        whole = " ".join(text[:_LONGEST].split())
        return "\n".join(_lines(whole, width - 2 * _PAD, self._measure_line))

    @property
    def _measure(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def _measure_line(self, text: str) -> float:
        return self.font.getlength(text)


def _opened(path: Path) -> Image.Image | None:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _lines(text: str, width: float, measure: Callable[[str], float]) -> Sequence[str]:
    """Broken at spaces, and within a word that is wider than a line."""
    lines: list[str] = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}".strip()
        if measure(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and measure(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines

"""Lanczos: a windowed sinc of three lobes, as Pillow has it."""

from PIL import Image


def lanczos(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`size` is (width, height)."""
    return image.resize(size, Image.Resampling.LANCZOS)

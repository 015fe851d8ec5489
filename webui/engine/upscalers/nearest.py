"""Nearest: each pixel repeated."""

from PIL import Image


def nearest(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`size` is (width, height)."""
    return image.resize(size, Image.Resampling.NEAREST)

"""Pictures out of tensors and into them. Knows neither models nor files."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webui.events import Picture


def picture(image: Tensor) -> Picture:
    """(3, H, W) in [-1, 1] -> 8-bit RGB, rounded to the nearest."""
    levels = ((image.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    rows = levels.permute(1, 2, 0).cpu().contiguous()  # (H, W, 3)
    return Picture(rows.shape[1], rows.shape[0], rows.numpy().tobytes())


def opened(drawn: Picture) -> Image.Image:
    """RGB."""
    return Image.frombytes("RGB", (drawn.width, drawn.height), drawn.rgb)


def closed(image: Image.Image) -> Picture:
    """The inverse of `opened`."""
    return Picture(image.width, image.height, image.convert("RGB").tobytes())


def tensor(image: Image.Image) -> Tensor:
    """RGB -> (1, 3, H, W) in [-1, 1], float32, on the CPU; L -> (1, 1, H, W) in [0, 1]."""
    levels = torch.from_numpy(np.array(image, np.float32))
    if image.mode == "L":
        return (levels / 255)[None, None]
    return (levels / 127.5 - 1).permute(2, 0, 1)[None]


def side_by_side(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (3, rows * H, columns * W): a grid, filled row by row, black where empty."""
    count, _, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    missing = images.new_full((rows * columns - count, 3, height, width), -1)
    grid = torch.cat([images, missing]).reshape(rows, columns, 3, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)

"""Pictures out of tensors. Knows neither models nor files."""

import math

import torch
from torch import Tensor

from webui.events import Picture


def picture(image: Tensor) -> Picture:
    """(3, H, W) in [-1, 1] -> 8-bit RGB, rounded to the nearest."""
    levels = ((image.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    rows = levels.permute(1, 2, 0).cpu().contiguous()  # (H, W, 3)
    return Picture(rows.shape[1], rows.shape[0], rows.numpy().tobytes())


def side_by_side(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (3, rows * H, columns * W): a grid, filled row by row, black where empty."""
    count, _, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    missing = images.new_full((rows * columns - count, 3, height, width), -1)
    grid = torch.cat([images, missing]).reshape(rows, columns, 3, height, width)
    return grid.permute(2, 0, 3, 1, 4).reshape(3, rows * height, columns * width)

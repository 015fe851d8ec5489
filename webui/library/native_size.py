"""The picture size that a model was trained at, from its configs."""

from collections.abc import Mapping
from typing import Any

from webui.fields import shown
from webui.library.problem import ProblemError

_LARGEST = 4096  # pixels


def native_size(
    network: Mapping[str, Any], vae: Mapping[str, Any], part: str = "unet"
) -> tuple[int, int, int]:
    """(pixels per latent cell, width, height); `part` holds the network that denoises. Raises
    ProblemError."""
    blocks = vae.get("block_out_channels", [0] * 4)
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 6:
        raise ProblemError(f"vae/config.json: block_out_channels is {shown(blocks)}")
    scale_factor: int = 2 ** (len(blocks) - 1)
    cells = network.get("sample_size")
    sides = cells if isinstance(cells, list) and len(cells) == 2 else [cells, cells]
    height, width = (scale_factor * _whole(side) for side in sides)
    if not (64 <= width <= _LARGEST and 64 <= height <= _LARGEST):
        raise ProblemError(f"{part}/config.json: sample_size is {shown(cells)}")
    return scale_factor, width, height


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0

"""Limits on what a config may ask for: its loader builds whatever it says."""

import math
from collections.abc import Mapping
from typing import Any

from webui.fields import shown
from webui.library.problem import ProblemError

_MOST = (  # what is in a key -> the most that a number there may be; the first that fits counts
    ("layers", 200),
    ("pos_embed_max_size", 512),  # a table of so many rows and columns is made
    ("max_position_embeddings", 4096),
    ("num_train_timesteps", 10_000),
    ("", 2**18),
)
_SIZES = ("size", "dim", "channel", "head", "group", "embedding", "timesteps", "layers", "kernel")
_MAX_LIST = {"unet": 16, "vae": 16}  # entries
_MAX_OTHER_LIST = 10_000


def check(part: str, name: str, config: Mapping[str, Any]) -> None:
    """No number in it makes the part's loader build something of absurd size.

    `name` is what the config is called. Raises ProblemError.
    """
    left: list[tuple[str, object]] = list(config.items())
    most = _MAX_LIST.get(part, _MAX_OTHER_LIST)
    while left:
        key, value = left.pop()
        if key == "configuration_files":
            raise ProblemError(f"{name}: {key} names other configs; they are not read")
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            if len(value) > most:
                raise ProblemError(f"{name}: {shown(key)} has {len(value)} entries")
            left += [(key, each) for each in value]
        elif isinstance(value, int | float) and not _bounded(key, value):
            raise ProblemError(f"{name}: {shown(key)} is {shown(value)}")


def _bounded(key: str, value: float) -> bool:
    most = next(limit for words, limit in _MOST if words in key)
    if any(word in key for word in _SIZES):
        return 0 <= value <= most
    return -most <= value <= most or value in (-math.inf, math.inf)  # schedulers know infinity

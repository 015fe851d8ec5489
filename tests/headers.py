"""Safetensors files of any size that hold nothing but zeros, and hardly take room on the disk."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1}
_PUBLISHED = Path(__file__).with_name("published_keys.json.gz")
_FLOWS = Path(__file__).with_name("published_flows.json.gz")
_LORAS = Path(__file__).with_name("published_loras.json.gz")


def published() -> dict[str, dict[str, list[int]]]:
    """family -> key -> shape, of the checkpoints that were published; scripts/published_keys.py."""
    with gzip.open(_PUBLISHED) as file:
        return json.load(file)


def published_flows() -> dict[str, dict[str, list[int]]]:
    """name -> key -> shape, of Stable Diffusion 3's; scripts/published_flows.py."""
    with gzip.open(_FLOWS) as file:
        return json.load(file)


def published_loras() -> dict[str, dict[str, Any]]:
    """name -> its "family", "kind" and "keys" with their shapes; scripts/published_loras.py."""
    with gzip.open(_LORAS) as file:
        return json.load(file)


def write(path: Path, tensors, metadata=None) -> Path:
    """`tensors` is key -> shape, or key -> (dtype, shape); F16 where nothing is said."""
    header, at = {}, 0
    for key, given in tensors.items():
        dtype, shape = given if given and isinstance(given[0], str) else ("F16", given)
        size = math.prod(shape) * BYTES[dtype]
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    return path

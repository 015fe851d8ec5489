"""Which embeddings lie in a folder, and how many vectors each has, from their headers alone.

What is in a file may have come from anywhere: of a safetensors file only the header is read, with a
limit; the engine reads the vectors, and refuses what does not fit.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

_MOST_HEADER = 2**20  # bytes
_MOST_FILES = 20_000
_MOST_VECTORS = 75  # what fits in a window
_A1111, _SDXL = "emb_params", "clip_l"  # names of the tensor that counts, if there is such a one


def embeddings(folder: Path) -> Mapping[str, int]:
    """Name, the file's without .safetensors -> number of vectors; what cannot be read is left out.

    An empty mapping if there is no such folder.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".safetensors"))
    except OSError:
        return {}
    counted = {
        name.removesuffix(".safetensors"): _vectors(folder / name) for name in names[:_MOST_FILES]
    }
    return {name: count for name, count in counted.items() if name.strip() and count}


def _vectors(path: Path) -> int:
    """0 for a file that is no embedding."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MOST_HEADER else None
    except (OSError, ValueError, RecursionError):
        return 0
    if not isinstance(header, dict):
        return 0
    tensors = {name: each for name, each in header.items() if name != "__metadata__"}
    name = next((each for each in (_A1111, _SDXL) if each in tensors), None)
    if name is None:
        if len(tensors) != 1:
            return 0
        name = next(iter(tensors))
    shape = tensors[name].get("shape") if isinstance(tensors[name], dict) else None
    if not isinstance(shape, list) or not all(type(each) is int for each in shape):
        return 0
    count: int = shape[0] if len(shape) == 2 else 1 if len(shape) == 1 else 0
    return count if 0 < count <= _MOST_VECTORS else 0

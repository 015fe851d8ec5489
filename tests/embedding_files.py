"""Embedding files, good ones and hostile ones, written byte by byte."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file of float32 arrays."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, values in tensors.items():
        array = np.asarray(values, np.float32)
        offsets = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    return raw(path, header, data)


def raw(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    """Whatever header; `length` is what the file says it is."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    size = len(text) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + text + data)
    return path


def vectors(count: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)

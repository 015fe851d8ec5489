"""What the header of a safetensors file says of the embedding in it.

The layouts that are about: A1111's and kohya's `emb_params`, diffusers' one tensor under the word
it was trained for, `clip_l` and `clip_g` for two text encoders, and a pickle's `string_to_param`
written out tensor by tensor. Nothing but the header is read, and nothing in it is believed.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from webui.safetensors_header import HeaderError, read_header

_MOST_HEADER = 2**20  # bytes
_MOST_TENSORS = 64
_MOST_VECTORS = 75  # more fit into no window
_MOST_WIDTH = 2**14
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_ENCODERS = ("clip_l", "clip_g")


class Part(NamedTuple):
    """The vectors for one text encoder."""

    key: str  # of the tensor
    vectors: int
    width: int


def read_parts(path: Path) -> dict[str, Part]:
    """By the text encoder's name, "" where the file has vectors for one and does not say which.

    Raises HeaderError, OSError.
    """
    header, room = read_header(path, _MOST_HEADER)
    header.pop("__metadata__", None)
    if len(header) > _MOST_TENSORS:
        raise HeaderError(f"it holds {len(header)} tensors, so it is no embedding")
    encoders = [name for name in _ENCODERS if name in header]
    if encoders:
        parts = {name: _part(name, header[name], room) for name in encoders}
    else:
        key = _only(header)
        parts = {"": _part(key, header[key], room)}
    if len({part.vectors for part in parts.values()}) > 1:
        raise HeaderError("it has a different number of vectors for each text encoder")
    return parts


def _only(header: Mapping[str, Any]) -> str:
    """The key of the one tensor that is meant."""
    if "emb_params" in header:
        return "emb_params"
    written_out = [key for key in header if key.startswith("string_to_param")]
    keys = written_out or list(header)
    if len(keys) != 1:
        raise HeaderError(f"it holds {len(keys)} tensors, and none is called emb_params")
    return keys[0]


def _part(key: str, said: object, room: int) -> Part:
    if not isinstance(said, dict):
        raise HeaderError("its header does not say what its tensor is")
    size = _BYTES.get(said.get("dtype", "")) if isinstance(said.get("dtype"), str) else None
    if size is None:
        raise HeaderError("its vectors are not floating-point numbers")
    shape = said.get("shape")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 2 or not all(map(_counts, shape)):
        raise HeaderError("its tensor is neither a vector nor a list of vectors")
    vectors, width = (1, *shape)[-2:]
    if vectors > _MOST_VECTORS:
        raise HeaderError(f"it has {vectors} vectors; at most {_MOST_VECTORS} fit into a prompt")
    if width > _MOST_WIDTH:
        raise HeaderError(f"its vectors are {width} wide, which no text encoder is")
    offsets = said.get("data_offsets")
    if not isinstance(offsets, list) or len(offsets) != 2:
        raise HeaderError("its header does not say where its vectors are")
    whole = all(isinstance(each, int) and 0 <= each <= room for each in offsets)
    if not whole or offsets[1] - offsets[0] != math.prod(shape) * size:
        raise HeaderError("its vectors are not all there: the file is cut, or its header is wrong")
    return Part(key, vectors, width)


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31

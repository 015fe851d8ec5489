"""What the header of a safetensors file says of the embedding in it.

The layouts that are about: A1111's and kohya's `emb_params`, diffusers' one tensor under the word
it was trained for, `clip_l` and `clip_g` for two text encoders, and a pickle's `string_to_param`
written out tensor by tensor. Nothing but the header is read, and nothing in it is believed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from webui.safetensors_header import HeaderError, Tensor, read

_MOST_TENSORS = 64
_MOST_VECTORS = 75  # more fit into no window
_MOST_WIDTH = 2**14
_FLOATS = ("F64", "F32", "F16", "BF16")
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
    tensors = read(path).tensors
    if len(tensors) > _MOST_TENSORS:
        raise HeaderError(f"it holds {len(tensors)} tensors, so it is no embedding")
    encoders = [name for name in _ENCODERS if name in tensors]
    if encoders:
        parts = {name: _part(name, tensors[name]) for name in encoders}
    else:
        key = _only(tensors)
        parts = {"": _part(key, tensors[key])}
    if len({part.vectors for part in parts.values()}) > 1:
        raise HeaderError("it has a different number of vectors for each text encoder")
    return parts


def _only(tensors: Mapping[str, Tensor]) -> str:
    """The key of the one tensor that is meant."""
    if "emb_params" in tensors:
        return "emb_params"
    written_out = [key for key in tensors if key.startswith("string_to_param")]
    keys = written_out or list(tensors)
    if len(keys) != 1:
        raise HeaderError(f"it holds {len(keys)} tensors, and none is called emb_params")
    return keys[0]


def _part(key: str, tensor: Tensor) -> Part:
    if tensor.dtype not in _FLOATS:
        raise HeaderError("its vectors are not floating-point numbers")
    if not 1 <= len(tensor.shape) <= 2 or 0 in tensor.shape:
        raise HeaderError("its tensor is neither a vector nor a list of vectors")
    vectors, width = (1, *tensor.shape)[-2:]
    if vectors > _MOST_VECTORS:
        raise HeaderError(f"it has {vectors} vectors; at most {_MOST_VECTORS} fit into a prompt")
    if width > _MOST_WIDTH:
        raise HeaderError(f"its vectors are {width} wide, which no text encoder is")
    return Part(key, vectors, width)

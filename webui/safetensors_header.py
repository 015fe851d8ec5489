"""What the header of a safetensors file says: the tensors' names, types, shapes and places.

Nothing but the header is read, and nothing in it is believed: a file that another reader could
take for something else is refused.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

BYTES: Mapping[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "U64": 8, "U32": 4, "U16": 2, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip
_MOST_DIMENSIONS = 8


class HeaderError(Exception):
    """Why a file cannot be used, for people."""


class TensorHeader(NamedTuple):
    dtype: str  # one of BYTES
    shape: tuple[int, ...]


def read_header(path: Path, most: int) -> tuple[dict[str, Any], int]:
    """The header of at most `most` bytes, and how many bytes of tensors are behind it.

    Raises HeaderError, OSError.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > most:
            raise HeaderError(
                f"it is no safetensors file, or its header is larger than {most // 2**20} MiB"
            )
        text = file.read(length)
        room = file.seek(0, 2) - 8 - length
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise HeaderError("its header is not valid JSON, so it is no safetensors file") from None
    if len(text) < length or not isinstance(header, dict):
        raise HeaderError("its header is cut or no JSON object, so it is no safetensors file")
    return header, room


def read_tensors(path: Path, most: int, most_tensors: int) -> dict[str, TensorHeader]:
    """All tensors of a file whose tensors lie one behind the other and fill it to its end.

    Raises HeaderError, OSError.
    """
    header, room = read_header(path, most)
    header.pop("__metadata__", None)
    if len(header) > most_tensors:
        raise HeaderError(f"it holds {len(header)} tensors, more than any file of its kind")
    placed = sorted((*_place(name, said), name) for name, said in header.items())
    end = 0
    for start, stop, name in placed:
        if start != end:
            raise HeaderError(f"its tensors overlap or leave holes, at {_shown(name)}")
        end = stop
    if end != room:
        raise HeaderError(
            "its tensors are not all there: the file is cut"
            if end > room
            else "there is more in it than its tensors"
        )
    return {
        name: TensorHeader(said["dtype"], tuple(said["shape"])) for name, said in header.items()
    }


def _place(name: str, said: object) -> tuple[int, int]:
    """The bytes that a tensor takes, counted from the header's end."""
    if not isinstance(said, dict):
        raise HeaderError(f"its header does not say what {_shown(name)} is")
    dtype, shape, offsets = said.get("dtype"), said.get("shape"), said.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise HeaderError(f"{_shown(name)} holds no numbers that are known")
    if not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS or not all(map(_counts, shape)):
        raise HeaderError(f"{_shown(name)} has a shape that cannot be")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_counts, offsets)):
        raise HeaderError(f"its header does not say where {_shown(name)} is")
    if offsets[1] - offsets[0] != math.prod(shape) * BYTES[dtype]:
        raise HeaderError(f"{_shown(name)} has not as many numbers as its shape says")
    return offsets[0], offsets[1]


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 60 else name[:57] + "...")

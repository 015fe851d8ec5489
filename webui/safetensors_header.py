"""The header of a safetensors file: what tensors there are, without reading one of them.

Nothing in it is believed: its length, the shapes and the places of the tensors are checked against
each other and against the file. Format: an 8-byte length, that much JSON, the tensors without a gap
(huggingface.co/docs/safetensors).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_HEADER = 16 * 2**20  # bytes; SDXL's has 0.3 MB, a LoRA's with all its captions some MB
MOST_TENSORS = 20_000
_MOST_DIMENSIONS = 8
_MOST_METADATA = 2**20  # characters of one value
BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I64": 64, "I32": 32,
    "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip
FLOATS = {
    "F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8",
}  # fmt: skip

Shape = tuple[int, ...]


class HeaderError(Exception):
    """Why a file cannot be used, for people."""


@dataclass(frozen=True, slots=True)
class Tensor:
    dtype: str  # as safetensors writes it: "F16"
    shape: Shape

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.count * BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True)
class Header:
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def shape(self, key: str) -> Shape | None:
        tensor = self.tensors.get(key)
        return tensor.shape if tensor else None


def read(path: Path, most: int = MOST_HEADER, most_tensors: int = MOST_TENSORS) -> Header:
    """Of at most `most` bytes. Raises HeaderError, OSError."""
    with path.open("rb") as file:
        start, size = file.read(8), file.seek(0, 2)
        length = length_of(start, size, most)
        file.seek(8)
        text = file.read(length)
    return parsed(text, size - 8 - length, most_tensors)


def length_of(start: bytes, size: int, most: int = MOST_HEADER) -> int:
    """Of the header's text in a file of `size` bytes that begins with the 8 bytes `start`.

    Raises HeaderError.
    """
    room, length = size - 8, int.from_bytes(start, "little")
    if len(start) < 8 or length > room or length > most:
        raise HeaderError(_no_header(start, length, room, most))
    return length


def parsed(text: bytes, room: int, most_tensors: int = MOST_TENSORS) -> Header:
    """`room` is how many bytes of tensors are behind the header. Raises HeaderError."""
    try:
        found = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise HeaderError("its header is not valid JSON, so it is no safetensors file") from None
    if not isinstance(found, dict):
        raise HeaderError("its header is no JSON object, so it is no safetensors file")
    metadata = found.pop("__metadata__", {})
    if len(found) > most_tensors:
        raise HeaderError(f"it holds {len(found)} tensors; at most {most_tensors} are read")
    spans: list[tuple[int, int]] = []
    tensors = {key: _tensor(key, said, spans) for key, said in found.items()}
    _check_cover(spans, room)
    return Header(tensors, _texts(metadata))


def precision(tensors: Iterable[Tensor]) -> str:
    """What the weights are held in, the commonest first: "fp16", "fp16, fp32"."""
    counts: dict[str, int] = {}
    for tensor in tensors:
        name = FLOATS.get(tensor.dtype, tensor.dtype.lower())
        counts[name] = counts.get(name, 0) + tensor.count
    return ", ".join(sorted(counts, key=lambda name: -counts[name])[:3])


def _no_header(start: bytes, length: int, room: int, most: int) -> str:
    if not start.strip(b"\0"):
        return "it is empty, so it is no safetensors file"
    if length > most and (found := _other(start)):  # else it is a length, whatever it looks like
        return found
    if length <= room:
        return f"its header is larger than {most // 2**20} MiB"
    return "it is no safetensors file, or it is cut: its header does not fit into it"


def _other(start: bytes) -> str:
    """What a file is that begins so and is no safetensors file; "" if that is not known."""
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return "it is a pickle under another name, which can run code, so it is not read"
    if start.startswith(b"version "):
        return "it is a Git LFS pointer: the file itself has not been downloaded"
    if start.startswith((b"<!", b"<html", b"{")):
        return "it is a web page or a text, not a model: download it again"
    return ""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice")
    return made


def _tensor(key: str, said: object, spans: list[tuple[int, int]]) -> Tensor:
    """Appends where its bytes are to `spans`."""
    try:  # `match` takes three times as long, and a list of models has a million tensors
        dtype, shape, (start, end) = said["dtype"], said["shape"], said["data_offsets"]  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise _unsaid(key) from None
    if not (type(dtype) is str and type(shape) is list and type(start) is type(end) is int):
        raise _unsaid(key)
    if dtype not in BITS:
        raise HeaderError(f"{_shown(key)} is of the type {_shown(dtype)}, which is not known")
    if len(shape) > _MOST_DIMENSIONS:
        raise HeaderError(f"the shape of {_shown(key)} cannot be")
    for size in shape:
        if type(size) is not int or not 0 <= size < 2**40:
            raise HeaderError(f"the shape of {_shown(key)} cannot be")
    tensor = Tensor(dtype, tuple(shape))
    if end - start != tensor.size_bytes:
        raise HeaderError(f"{_shown(key)} does not have as many bytes as its shape says")
    spans.append((start, end))
    return tensor


def _unsaid(key: str) -> HeaderError:
    return HeaderError(f"its header does not say what {_shown(key)} is")


def _check_cover(spans: list[tuple[int, int]], room: int) -> None:
    """No gap, no overlap, nothing behind: else a file could be two things at once."""
    at = 0
    for start, end in sorted(spans):
        if start != at:
            raise HeaderError("its tensors overlap or leave gaps, so it is no safetensors file")
        at = end
    if at > room:
        raise HeaderError(f"it is cut: {at - room} bytes of its tensors are missing")
    if at < room:
        raise HeaderError(f"{room - at} bytes that are no tensors stand at its end")


def _texts(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict):
        return {}
    return {
        key: value
        for key, value in metadata.items()
        if isinstance(value, str) and len(value) <= _MOST_METADATA
    }


def _shown(value: str) -> str:
    return repr(value[:80])

"""What guidance was made of, kept beside a batch's steps where that was asked for.

batch-000.guidance      for each step a record of one size, at its place: a checksum, then the
                        prediction without the prompt and the one with it, (2, B, C, h, w)
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from webui.errors import NotSaved
from webui.trajectories.files import Latents, plain, stem

_CRC = struct.Struct("<I")


def guidance_path(folder: Path, batch: int, turn: int = 0) -> Path:
    return folder / f"{stem(batch, turn)}.guidance"


def keep_guidance(
    folder: Path,
    batch: int,
    step: int,
    unprompted: Latents,
    prompted: Latents,
    turn: int = 0,
) -> None:
    """Step (1-based); (B, C, h, w) each. Raises NotSaved."""
    body = unprompted.tobytes() + prompted.tobytes()
    path = guidance_path(folder, batch, turn)
    try:
        path.touch()
        with path.open("r+b") as file:
            file.seek((step - 1) * (_CRC.size + len(body)))
            file.write(_CRC.pack(_checksum(step, body)) + body)
    except OSError as error:
        reason = error.strerror or error
        raise NotSaved(f"the guidance cannot be kept in {folder}: {reason}") from error


def read_guidance(
    folder: Path, batch: int, step: int, kind: str, shape: tuple[int, ...], turn: int = 0
) -> Latents | None:
    """What was predicted "prompted" or "unprompted" at a step, of the batch's `shape`
    (B, C, h, w); None if it was not kept."""
    size = 2 * 4 * int(np.prod(shape))
    try:
        with plain(guidance_path(folder, batch, turn)).open("rb") as file:
            file.seek((step - 1) * (_CRC.size + size))
            record = file.read(_CRC.size + size)
    except (OSError, ValueError):
        return None
    body = record[_CRC.size :]
    if len(body) != size or record[: _CRC.size] != _CRC.pack(_checksum(step, body)):
        return None
    both: Latents = np.frombuffer(body, np.float32).reshape(2, *shape).copy()
    unprompted, prompted = both
    found: Latents = prompted if kind == "prompted" else unprompted
    return found


def guided_steps(
    folder: Path, batch: int, steps: Sequence[int], shape: tuple[int, ...], turn: int = 0
) -> list[bool]:
    """Of each of the steps (1-based) whether guidance was kept; looks at no latent of `shape`."""
    size = _CRC.size + 2 * 4 * int(np.prod(shape))
    try:
        with plain(guidance_path(folder, batch, turn)).open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            return [_is_there(file, (step - 1) * size, length - size) for step in steps]
    except OSError:
        return [False] * len(steps)


def _is_there(file: BinaryIO, place: int, last: int) -> bool:
    file.seek(place)
    return place <= last and any(file.read(_CRC.size))


def _checksum(step: int, body: bytes) -> int:
    """Of a step that was left out, all zeros, it is not zero."""
    return zlib.crc32(body, step + 1)

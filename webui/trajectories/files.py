"""Every step of every run, on disk: spooled while it runs, one safetensors file afterwards.

The engine writes; previews, the scrubber and a resumed job read. No torch here: tensors are numpy
arrays, float32. A job has a folder of its own, with one file for each batch:

    batch-000.spool         while it runs: a header, then records of one fixed size, each with a
                            checksum, so that a record cut by a crash is seen and left out
    batch-000.safetensors   afterwards: x and denoised (n, B, C, h, w), sigmas (n + 1,), and of each
                            step what the records say; memory (n, B, C, h, w) where a sampler has it

A batch that is sampled several times (a second pass, loops, tiles) has one for each turn; the later
ones are called batch-000-turn-001 and so on.
"""

import json
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from webui.errors import NotSaved

Latents = NDArray[np.float32]

_MAGIC = b"DARKROOM SPOOL 2"
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<IIIddd")  # step, steps, draws, sigma, seconds, ahead
_CRC = struct.Struct("<I")
_LATENTS = ("x", "denoised", "memory")  # of a step, in the order of a record
_MAX_HEADER = 16 * 2**20  # bytes
# what reading a file raises that is not there, cut, or somebody else's
_UNREADABLE = (OSError, SafetensorError, ValueError, TypeError, LookupError, OverflowError)


@dataclass(frozen=True, slots=True)
class Header:
    """What a turn's trajectory is of. Two runs of the same request have equal headers."""

    request: dict[str, Any]  # that stands for the turn, as `request.to_dict` gives it
    batch: int  # 0-based
    shape: tuple[int, int, int, int]  # of a latent: B, C, h, w
    sigmas: tuple[float, ...]  # (n + 1)
    memory: bool = False  # whether the sampler's steps have one
    begun: int = 0  # steps of a branch that its sampler was not told of
    turn: int = 0  # 0-based
    turns: int = 1  # that the batch was to have, in all


@dataclass(frozen=True, slots=True)
class KeptStep:
    step: int  # 1-based
    draws: int  # of noise until after this step, the starting noise included
    sigma: float  # the noise level left after it
    seconds: float  # it took
    x: Latents  # (B, C, h, w)
    denoised: Latents  # (B, C, h, w)
    memory: Latents | None = None  # (B, C, h, w) what else the sampler needs to go on
    steps: int = 0  # in all, as far as the sampler knew
    ahead: float = 0.0  # what a sampler with its own step control meant to do next

    def latents(self) -> list[Latents]:
        return [self.x, self.denoised] + ([] if self.memory is None else [self.memory])


class Spool:
    """A batch's trajectory while it is made. Not for two writers."""

    def __init__(self, folder: Path, header: Header, kept: Sequence[KeptStep] = ()) -> None:
        """Starts the file anew with the steps already `kept`. Raises NotSaved, as all here do."""
        self._path = spool_path(folder, header.batch, header.turn)
        self._header = header
        temporary = self._path.with_suffix(".tmp")
        encoded = json.dumps(asdict(header), ensure_ascii=False).encode()
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = temporary.open("wb")
            self._file.write(_MAGIC + _LENGTH.pack(len(encoded)) + encoded)
            for step in kept:
                self.append(step)
            # a crash before the rename leaves the old spool, one after it the new
            self._file.close()
            temporary.replace(self._path)
            self._file = self._path.open("ab")

    def append(self, step: KeptStep) -> None:
        """Writes one record; it is in the kernel's hands when this returns."""
        head = _HEAD.pack(step.step, step.steps, step.draws, step.sigma, step.seconds, step.ahead)
        body = head + b"".join(each.tobytes() for each in step.latents())
        with _writing(self._path.parent):
            self._file.write(body + _CRC.pack(zlib.crc32(body)))
            self._file.flush()

    def close(self) -> None:
        """What could not be written was said by `append`."""
        with suppress(OSError):
            self._file.close()

    def finish(self) -> None:
        """Turns the spool into the safetensors file, atomically, and removes it."""
        self.close()
        folder, header = self._path.parent, self._header
        temporary = self._path.with_suffix(".tmp")
        with _writing(folder):
            if steps := read_spool(folder, header):
                save_file(_tensors(header, steps), temporary, _metadata(header))
                temporary.replace(finished_path(folder, header.batch, header.turn))
            self._path.unlink()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise NotSaved(f"the steps cannot be kept in {folder}: {reason or error}") from error


def _metadata(header: Header) -> dict[str, str]:
    return {"darkroom": json.dumps(asdict(header), ensure_ascii=False)}


def _tensors(header: Header, steps: Sequence[KeptStep]) -> dict[str, NDArray[Any]]:
    latents = zip(*(step.latents() for step in steps), strict=True)
    return {
        **dict(zip(_LATENTS, map(np.stack, latents), strict=False)),
        "sigmas": np.array(header.sigmas, np.float64),
        "left": np.array([step.sigma for step in steps], np.float64),
        "seconds": np.array([step.seconds for step in steps], np.float64),
        "ahead": np.array([step.ahead for step in steps], np.float64),
        "draws": np.array([step.draws for step in steps], np.int64),
        "steps": np.array([step.steps for step in steps], np.int64),
    }


def spool_path(folder: Path, batch: int, turn: int = 0) -> Path:
    return folder / f"{stem(batch, turn)}.spool"


def finished_path(folder: Path, batch: int, turn: int = 0) -> Path:
    return folder / f"{stem(batch, turn)}.safetensors"


def stem(batch: int, turn: int) -> str:
    """What the files of a turn begin with; the first turn's as before there were several."""
    return f"batch-{batch:03d}" + (f"-turn-{turn:03d}" if turn else "")


def turns_kept(folder: Path, batch: int) -> int:
    """How many turns of a batch, from the first one on, have been begun."""
    turn = 0
    while finished_path(folder, batch, turn).is_file() or spool_path(folder, batch, turn).is_file():
        turn += 1
    return turn


def plain(path: Path) -> Path:
    """The path of a file that can be read to its end. Raises OSError for a pipe, which would be
    waited for, and a device."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is no plain file")
    return path


def read_spool(folder: Path, header: Header) -> list[KeptStep]:
    """The whole records of a spool that was made for `header`; none if there is no such spool."""
    try:
        with plain(spool_path(folder, header.batch, header.turn)).open("rb") as file:
            if _read_header(file) != header:
                return []
            steps: list[KeptStep] = []
            while (step := _read_record(file, header)) and step.step == len(steps) + 1:
                steps.append(step)
            return steps
    except _UNREADABLE:
        return []


def read_finished(folder: Path, header: Header) -> list[KeptStep]:
    """All steps of a finished turn that was made for `header`; none if there is no such file."""
    if not finished_path(folder, header.batch, header.turn).is_file():
        return []
    if read_header(folder, header.batch, header.turn) != header:
        return []
    steps: list[KeptStep] = []
    while step := read_step(folder, header.batch, len(steps) + 1, header.turn):
        steps.append(step)
    return steps


def read_header(folder: Path, batch: int, turn: int = 0) -> Header | None:
    """What a running or finished turn is of; None if nothing was kept."""
    try:
        with safe_open(plain(finished_path(folder, batch, turn)), framework="numpy") as file:
            return _header_from_dict(json.loads(file.metadata()["darkroom"]))
    except _UNREADABLE:
        pass
    try:
        with plain(spool_path(folder, batch, turn)).open("rb") as file:
            return _read_header(file)
    except _UNREADABLE:
        return None


def read_step(folder: Path, batch: int, step: int, turn: int = 0) -> KeptStep | None:
    """One kept step (1-based) of a running or finished turn; None if it was not kept."""
    try:
        with safe_open(plain(finished_path(folder, batch, turn)), framework="numpy") as file:
            index = step - 1
            if not 0 <= index < file.get_slice("x").get_shape()[0]:
                return None
            kept = set(file.keys())
            return KeptStep(
                step,
                int(file.get_tensor("draws")[index]),
                float(file.get_tensor("left")[index]),
                float(file.get_tensor("seconds")[index]),
                file.get_slice("x")[index],
                file.get_slice("denoised")[index],
                file.get_slice("memory")[index] if "memory" in kept else None,
                # files of version 0.1.0 have neither
                int(file.get_tensor("steps")[index]) if "steps" in kept else 0,
                float(file.get_tensor("ahead")[index]) if "ahead" in kept else 0.0,
            )
    except _UNREADABLE:
        return _read_spooled_step(spool_path(folder, batch, turn), step)


def _read_spooled_step(path: Path, step: int) -> KeptStep | None:
    try:
        with plain(path).open("rb") as file:
            header = _read_header(file)
            file.seek((step - 1) * _record_size(header), os.SEEK_CUR)
            kept = _read_record(file, header) if step >= 1 else None
            return kept if kept and kept.step == step else None
    except _UNREADABLE:
        return None


def _read_header(file: BinaryIO) -> Header:
    """Raises ValueError for a file that is no spool."""
    start = file.read(len(_MAGIC) + _LENGTH.size)
    if len(start) != len(_MAGIC) + _LENGTH.size or not start.startswith(_MAGIC):
        raise ValueError("not a spool")
    (length,) = _LENGTH.unpack(start[len(_MAGIC) :])
    return _header_from_dict(json.loads(file.read(min(length, _MAX_HEADER))))


def _header_from_dict(values: dict[str, Any]) -> Header:
    batches, channels, height, width = values["shape"]
    return Header(
        values["request"],
        values["batch"],
        (batches, channels, height, width),
        tuple(values["sigmas"]),
        values.get("memory", False),
        values.get("begun", 0),
        values.get("turn", 0),
        values.get("turns", 1),
    )


def _record_size(header: Header) -> int:
    return _HEAD.size + (3 if header.memory else 2) * 4 * int(np.prod(header.shape)) + _CRC.size


def _read_record(file: BinaryIO, header: Header) -> KeptStep | None:
    """None at the end, and for a record that is cut or damaged."""
    record = file.read(_record_size(header))
    if len(record) != _record_size(header):
        return None
    body = record[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack(record[-_CRC.size :])[0]:
        return None
    latents = np.frombuffer(body, np.float32, offset=_HEAD.size).reshape(-1, *header.shape).copy()
    step, steps, draws, sigma, seconds, ahead = _HEAD.unpack(body[: _HEAD.size])
    memory = latents[2] if header.memory else None
    return KeptStep(step, draws, sigma, seconds, latents[0], latents[1], memory, steps, ahead)


def count_kept(folder: Path, batch: int) -> int:
    """How many there are of a batch, of all its turns."""
    total, turn = 0, 0
    while header := read_header(folder, batch, turn):
        total += len(read_spool(folder, header) or read_finished(folder, header))
        turn += 1
    return total

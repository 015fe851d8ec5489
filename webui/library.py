"""models/ on disk: what is there, what of it can be used, and the hashes of the weights.

A model is a folder in diffusers layout under models/checkpoints/. Whatever is in it may have come
from anywhere: it is read with limits, and a broken one is listed with its problem and breaks
nothing else. Names are looked up in the list, never joined to a path. Knows no torch.
"""

import hashlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from webui.errors import ModelNotFound
from webui.files import printable

PREFERRED = "fluent-emoji"  # what ships
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline")
_WEIGHTS = {  # component -> the file that holds it
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
_PARTS = (*_WEIGHTS, "tokenizer", "scheduler")
_MAX_JSON = 2**20  # bytes
_MAX_PART_FILES = 100
_CONFIGS = {  # what the loaders of a part build it from
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "scheduler": "scheduler_config.json",
}
_MOST = (  # what is in a key -> the most that a number there may be; the first that fits counts
    ("layers", 200),
    ("max_position_embeddings", 4096),
    ("num_train_timesteps", 10_000),
    ("", 2**18),
)
_SIZES = ("size", "dim", "channel", "head", "group", "embedding", "timesteps", "layers", "kernel")
_MAX_LIST = {"unet": 16, "vae": 16, "text_encoder": 10_000, "scheduler": 10_000}  # entries
_LARGEST_SIZE = 4096  # pixels, of a model's own size


@dataclass(frozen=True, slots=True)
class ModelEntry:
    name: str  # of the folder; what cannot be printed is escaped
    folder: Path
    family: str  # "sd1", or "" if it is none that we know
    native_width: int  # pixels the model was trained at; 0 if unknown
    native_height: int
    scale_factor: int  # pixels per latent cell, each way
    weights: Path  # of the UNet
    size_bytes: int  # of all weights
    problem: str | None = None  # why it cannot be used


class _ProblemError(Exception):
    """Why a folder cannot be used; becomes `ModelEntry.problem`."""


class Library:
    """Any thread may call."""

    def __init__(self, models_dir: Path) -> None:
        self.folder = models_dir / "checkpoints"
        self._lock = threading.Lock()
        self._entries: tuple[ModelEntry, ...] | None = None
        self._scanned = 0  # the folder's mtime then, ns
        self._hashes: dict[tuple[Path, int, int], str] = {}  # (path, size, mtime in ns) -> sha256

    def entries(self) -> list[ModelEntry]:
        """By name; the folder is read once, until `refresh`."""
        with self._lock:
            if self._entries is None:
                self._scanned = self._changed()
                self._entries = tuple(_scan(self.folder))
            return list(self._entries)

    def refresh(self) -> None:
        with self._lock:
            self._entries = None

    def find(self, name: str) -> ModelEntry:
        """The model of that name; capitals do not matter where only one fits.

        Looks again where folders came or went, and at one that had a problem: the engine has a
        library of its own, which nobody refreshes. Raises ModelNotFound, naming what there is.
        """
        if self._scanned != self._changed():
            self.refresh()
        found = self._found(name)
        if found is None:
            there = _those(self.entries())
            raise ModelNotFound(f"there is no model {_shown(name)} in {self.folder}; {there}")
        return _entry(found.folder) if found.problem else found

    def _found(self, name: str) -> ModelEntry | None:
        entries = self.entries()
        near = [entry for entry in entries if entry.name.casefold() == name.casefold()]
        exact = [entry for entry in near if entry.name == name]
        return exact[0] if exact else near[0] if len(near) == 1 else None

    def _changed(self) -> int:
        try:
            return self.folder.stat().st_mtime_ns
        except OSError:
            return 0

    def default(self) -> str | None:
        """What to use when nobody chose: what ships, else the first that can be used."""
        usable = [entry.name for entry in self.entries() if entry.problem is None]
        return PREFERRED if PREFERRED in usable else next(iter(usable), None)

    def hash(self, name: str, at_once: bool = False) -> str:
        """sha256 of the UNet's weights; slow the first time, or with `at_once` "" then.
        Raises ModelNotFound, OSError."""
        path = self.find(name).weights
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if (known := self._hashes.get(key, "")) == "" and not at_once:
            with path.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            self._hashes[key] = known
        return known


def _scan(folder: Path) -> Iterator[ModelEntry]:
    try:
        names = sorted(os.listdir(folder), key=lambda name: (name.casefold(), name))
    except OSError:
        return
    for name in names:
        if not name.startswith(".") and (folder / name).is_dir():
            yield _entry(folder / name)


def _entry(folder: Path) -> ModelEntry:
    weights = folder / "unet" / _WEIGHTS["unet"]
    try:
        _check_path(folder)
        _check_index(_object(folder / "model_index.json"))
        size_bytes = sum(_check_part(folder, part) for part in _PARTS)
        scale_factor, width, height = _native_size(folder)
        for part in _CONFIGS:
            _check_bounds(folder, part)
        return ModelEntry(
            printable(folder.name), folder, "sd1", width, height, scale_factor, weights, size_bytes
        )
    except (_ProblemError, OSError) as error:
        problem = str(error) if isinstance(error, _ProblemError) else _os_problem(folder, error)
        return ModelEntry(printable(folder.name), folder, "", 0, 0, 8, weights, 0, problem)


def _check_path(folder: Path) -> None:
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # the reader of safetensors takes no other names
        raise _ProblemError("the folder's name is not valid UTF-8; rename it") from None


def _check_index(index: Mapping[str, Any]) -> None:
    kind = index.get("_class_name")
    if kind not in _PIPELINES:
        raise _ProblemError(
            f"model_index.json says {_shown(kind)}; only {' and '.join(_PIPELINES)} can be used now"
        )


def _check_part(folder: Path, part: str) -> int:
    """The size of the part's weights, 0 for one without. Raises _ProblemError."""
    place = folder / part
    if not place.is_dir():
        raise _ProblemError(f"{part}/ is missing")
    with os.scandir(place) as found:
        files = {each.name: each for each in islice(found, _MAX_PART_FILES + 1)}
    if len(files) > _MAX_PART_FILES:
        raise _ProblemError(f"{part}/ holds more than {_MAX_PART_FILES} files")
    linked = [place / name for name, each in files.items() if each.is_symlink()]
    _check_inside(folder, [place, *linked] if place.is_symlink() else linked)
    index = next((each for each in files if each.casefold().endswith(".index.json")), None)
    if index is not None:  # loaders prefer it, and it may name any file
        raise _ProblemError(f"{part}/{printable(index)} is there; sharded weights are not read yet")
    if part not in _WEIGHTS:
        return 0
    name = _WEIGHTS[part]
    if name in files and files[name].is_file():
        return files[name].stat().st_size
    if any(each.endswith((".bin", ".pt", ".pth", ".ckpt")) for each in files):
        raise _ProblemError(
            f"{part}/{name} is missing; the weights there are pickles, which can run code, "
            "so they are not read: convert them to safetensors"
        )
    raise _ProblemError(f"{part}/{name} is missing")


def _check_inside(folder: Path, linked: Sequence[Path]) -> None:
    """The model's folder may be a link itself; in it, links must stay in it."""
    home = folder.resolve() if linked else folder
    for path in linked:
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
            target = None
        if target is None or not target.is_relative_to(home):
            shown = printable(str(path.relative_to(folder)))
            raise _ProblemError(f"{shown} is a link that leads out of the model's folder")


def _native_size(folder: Path) -> tuple[int, int, int]:
    """(pixels per latent cell, width, height)."""
    unet, vae = _object(folder / "unet" / "config.json"), _object(folder / "vae" / "config.json")
    blocks = vae.get("block_out_channels")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 6:
        raise _ProblemError(f"vae/config.json: block_out_channels is {_shown(blocks)}")
    scale_factor: int = 2 ** (len(blocks) - 1)
    cells = unet.get("sample_size")
    sides = cells if isinstance(cells, list) and len(cells) == 2 else [cells, cells]
    height, width = (scale_factor * _whole(side) for side in sides)
    if not (64 <= width <= _LARGEST_SIZE and 64 <= height <= _LARGEST_SIZE):
        raise _ProblemError(f"unet/config.json: sample_size is {_shown(cells)}")
    return scale_factor, width, height


def _check_bounds(folder: Path, part: str) -> None:
    """No number in a part's config makes its loader build something of absurd size."""
    path = folder / part / _CONFIGS[part]
    shown = f"{part}/{path.name}"
    left: list[tuple[str, object]] = list(_object(path).items()) if path.is_file() else []
    while left:
        key, value = left.pop()
        if key == "configuration_files":
            raise _ProblemError(f"{shown}: {key} names other configs; they are not read")
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            if len(value) > _MAX_LIST[part]:
                raise _ProblemError(f"{shown}: {_shown(key)} has {len(value)} entries")
            left += [(key, each) for each in value]
        elif isinstance(value, int | float) and not _bounded(key, value):
            raise _ProblemError(f"{shown}: {_shown(key)} is {_shown(value)}")


def _bounded(key: str, value: float) -> bool:
    most = next(limit for words, limit in _MOST if words in key)
    if any(word in key for word in _SIZES):
        return 0 <= value <= most
    return -most <= value <= most or value in (-math.inf, math.inf)  # schedulers know infinity


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _object(path: Path) -> Mapping[str, Any]:
    """A small JSON object from a file that anyone may have written."""
    shown = f"{path.parent.name}/{path.name}" if path.parent.name in _PARTS else path.name
    home = path.parent.parent if path.parent.name in _PARTS else path.parent
    if not path.is_file():
        raise _ProblemError(f"{shown} is missing")
    if path.is_symlink():
        _check_inside(home, [path])
    with path.open("rb") as file:
        data = file.read(_MAX_JSON + 1)
    if len(data) > _MAX_JSON:
        raise _ProblemError(f"{shown} is larger than {_MAX_JSON} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _ProblemError(f"{shown} is not valid JSON") from None
    if not isinstance(value, dict):
        raise _ProblemError(f"{shown} is not a JSON object")
    return value


def _os_problem(folder: Path, error: OSError) -> str:
    return f"{printable(folder.name)} cannot be read: {error.strerror}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _those(entries: list[ModelEntry]) -> str:
    usable = [entry.name for entry in entries if entry.problem is None]
    return f"there are {', '.join(usable[:20])}" if usable else "there is none that can be used"

"""Tiny decoders of latents (TAESD and its kind), for previews: which there are, told by headers.

Layouts: diffusers' AutoencoderTiny, and the decoder's own file as its author publishes it, which
numbers the same layers from 1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from webui import model_folders, weight_files
from webui.files import stamp
from webui.safetensors_header import Header, HeaderError, read

FOLDER = "vae_approx"
_PREFIXES = ("decoder.layers.", "taesd_decoder.", "")
_LAYER = re.compile(r"(\d{1,2})\.(conv\.0\.)?weight")
_MOST_FILES, _MOST_BLOCKS, _WIDEST = 50, 16, 512


@dataclass(frozen=True, slots=True)
class TinyDecoder:
    path: Path
    stamp: tuple[int, int]
    prefix: str  # of its keys
    first: int  # the number of its first layer
    channels: int  # of the latents
    width: int  # of all layers between
    blocks: tuple[int, ...]  # at each size, the latent's first

    @property
    def scale_factor(self) -> int:
        """Pixels per latent cell, each way."""
        return int(2 ** (len(self.blocks) - 1))


class TinyDecoders:
    """Those in the folders now; each header is read once."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._known: dict[tuple[Path, tuple[int, int]], TinyDecoder | None] = {}

    def __call__(self) -> tuple[TinyDecoder, ...]:
        """By path; what is no such file is left out."""
        found = {
            (path, stamp(path)): folder
            for folder in model_folders.folders(self._roots, FOLDER)
            for path in weight_files.listed(folder, [weight_files.SUFFIX], _MOST_FILES)
        }
        self._known = {
            key: self._known[key] if key in self._known else _read(folder, *key)
            for key, folder in found.items()
        }
        return tuple(each for each in self._known.values() if each is not None)


def _read(folder: Path, path: Path, now: tuple[int, int]) -> TinyDecoder | None:
    try:
        weight_files.status(folder, path, "previews", "docs/models.md")
        header = read(path)
    except (HeaderError, OSError):
        return None
    made = (_told(header, prefix, path, now) for prefix in _PREFIXES)
    return next((each for each in made if each is not None), None)


def _told(header: Header, prefix: str, path: Path, now: tuple[int, int]) -> TinyDecoder | None:
    layers = _layers(header, prefix)  # number -> whether it is a block; convolutions are the rest
    shapes = [
        header.shape(f"{prefix}{number}.weight") or ()
        for number, is_block in layers.items()
        if not is_block
    ]
    if len(shapes) < 2 or any(len(each) != 4 for each in shapes) or next(iter(layers.values())):
        return None
    width, channels = shapes[0][:2]
    outer = shapes[-1][0] == 3 and channels <= 128 and 3 < width <= _WIDEST
    if not outer or any(each[1] != width for each in shapes[1:]) or len(shapes) > 7:
        return None
    blocks, rest = [], list(layers.values())[1:]
    while rest:
        blocks.append(len(list(takewhile(bool, rest))))
        rest = rest[blocks[-1] + 1 :]
    if len(blocks) != len(shapes) - 1 or max(blocks) > _MOST_BLOCKS:
        return None
    return TinyDecoder(path, now, prefix, next(iter(layers)), channels, width, tuple(blocks))


def _layers(header: Header, prefix: str) -> dict[int, bool]:
    found = {}
    for key in header.tensors:
        match = _LAYER.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
        if match:
            found[int(match[1])] = match[2] is not None
    return dict(sorted(found.items()))

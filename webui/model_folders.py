"""Which folders of a models tree hold what: ours, A1111's and ComfyUI's, whatever the capitals.

Opens no file. Looks each time; a folder that cannot be read is left out.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

NAMES: Mapping[str, tuple[str, ...]] = {  # kind -> what its folder may be called; ours first
    "checkpoints": ("checkpoints", "stable-diffusion", "stablediffusion", "diffusers"),
    "vae": ("vae",),
    "loras": ("loras", "lora", "lycoris"),
    "embeddings": ("embeddings",),
    "vae_approx": ("vae_approx", "vae-approx", "vae-taesd"),
    "upscalers": ("upscale_models", "esrgan", "realesrgan"),
}
_DEEPEST = 8  # folders in folders
_MOST = 50_000  # of what lies in them, that is looked at


def folders(roots: Iterable[Path], kind: str) -> list[Path]:
    """Those that are there, in the order of the roots, ours first in each."""
    found: list[Path] = []
    for root in roots:
        here = {each.name.casefold(): each for each in _listed(root) if each.is_dir()}
        found += [Path(here[name].path) for name in NAMES[kind] if name in here]
        if kind == "embeddings" and "stable-diffusion" in here:  # A1111's lies beside models/
            beside = root.parent / "embeddings"
            found += [beside] if beside.is_dir() else []
    return found


def walk(folder: Path, is_one: tuple[str, ...]) -> Iterator[tuple[Path, bool]]:
    """(path, whether it is a folder) of files, and of folders in which something of `is_one` lies.

    These are not entered, nor what is hidden. Links are followed, each folder is seen once.
    """
    seen: set[tuple[int, int]] = set()
    left = [(folder, 0)]
    budget = _MOST
    while left and budget > 0:
        place, depth = left.pop()
        files = []
        for each in _listed(place):
            budget -= 1
            if each.name.startswith("."):
                continue
            if not _is_folder(each):
                files.append(Path(each.path))
            elif any(os.path.lexists(os.path.join(each.path, sign)) for sign in is_one):
                yield Path(each.path), True
            elif depth < _DEEPEST and _first_time(each.path, seen):
                left.append((Path(each.path), depth + 1))
        for file in files:
            yield file, False


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda each: each.name)
    except OSError:
        return []


def _is_folder(each: os.DirEntry[str]) -> bool:
    try:
        return each.is_dir()
    except OSError:
        return False


def _first_time(path: str, seen: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    identity = (status.st_dev, status.st_ino)
    new = identity not in seen
    seen.add(identity)
    return new

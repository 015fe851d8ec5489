"""Separate VAEs: which there are, and what their headers say of them."""

from collections.abc import Sequence
from pathlib import Path

from webui import model_folders
from webui.files import printable, stamp
from webui.library import shapes, single_file
from webui.library.entries import VaeEntry
from webui.library.problem import ProblemError
from webui.library.structure import mistaken, structure
from webui.safetensors_header import HeaderError, precision, read
from webui.weight_files import SUFFIX


def listed(places: Sequence[Path]) -> list[VaeEntry]:
    """Unread; those of safetensors files alone."""
    found = [path for place in places for path, _ in model_folders.walk(place, ())]
    return [
        VaeEntry(printable(path.stem), path) for path in found if path.suffix.casefold() == SUFFIX
    ]


def told_apart(found: Sequence[VaeEntry]) -> list[VaeEntry]:
    """By name, of equal names the first."""
    first = {each.name: each for each in reversed(found)}
    return sorted(first.values(), key=lambda each: (each.name.casefold(), each.name))


def looked_into(entry: VaeEntry) -> VaeEntry:
    """With what its header says; never raises."""
    size = stamp(entry.path)[1]
    try:
        single_file.checked(entry.path)
        header = read(entry.path)
        if structure(header).kind != "vae":
            raise ProblemError(mistaken(header, "vae") or "it holds no VAE that is known")
        config = shapes.vae(header, single_file.vae_prefix(header))
    except (ProblemError, HeaderError) as error:
        return VaeEntry(entry.name, entry.path, size, problem=str(error))
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
        return VaeEntry(entry.name, entry.path, size, problem=problem)
    channels = int(config["latent_channels"])
    return VaeEntry(entry.name, entry.path, size, precision(header.tensors.values()), channels)

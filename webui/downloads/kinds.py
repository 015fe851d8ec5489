"""What a file can be for here, and the folder for it: ours, A1111's or ComfyUI's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webui import model_folders
from webui.library.problem import ProblemError
from webui.library.structure import KINDS as STRUCTURES
from webui.library.structure import structure
from webui.loras.keys import changes
from webui.loras.report import family as lora_family
from webui.safetensors_header import Header, precision


@dataclass(frozen=True, slots=True)
class Kind:
    label: str
    folder: str  # as `model_folders` calls it


KINDS: Mapping[str, Kind] = {
    "checkpoint": Kind("Checkpoint", "checkpoints"),
    "lora": Kind("LoRA", "loras"),
    "vae": Kind("VAE", "vae"),
    "embedding": Kind("Embedding", "embeddings"),
    "upscaler": Kind("Upscaler", "upscalers"),
}
_FAMILIES = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "SDXL",
    "refiner": "SDXL refiner",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """What a header says a file is."""

    kind: str | None  # one of KINDS; None: it belongs into no folder that is known
    text: str  # for people: "a LoRA for SDXL, fp16"
    warning: str = ""  # why it cannot be used


def folder_of(models_dir: Path, kind: str) -> Path:
    """One that is there already, else ours."""
    name = KINDS[kind].folder
    there = model_folders.folders([models_dir], name)
    return there[0] if there else models_dir / model_folders.NAMES[name][0]


def guess(header: Header) -> Guess:
    found = structure(header)
    held = precision(header.tensors.values())
    if found.kind not in KINDS:
        what = STRUCTURES[found.kind]
        return Guess(None, f"{what}, {held}", f"it is {what}, for which there is no use here yet")
    family, warning = found.family, ""
    if found.kind == "checkpoint" and found.other:
        family, warning = found.other, f"it is {found.other}, which cannot be used yet"
    if found.kind == "lora":
        try:
            family = lora_family(changes(header), header.metadata)
        except ProblemError as error:
            warning = str(error)
    named = f" for {_FAMILIES.get(family, family)}" if family else ""
    return Guess(found.kind, f"{STRUCTURES[found.kind]}{named}, {held}", warning)

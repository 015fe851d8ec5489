"""What the list of LoRAs holds: values, complete, without a way to the disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.library import ModelEntry

FAMILIES: Mapping[str, str] = {  # as people call them
    "sd1": "SD 1.5",
    "sd2": "SD 2",
    "sdxl": "SDXL",
    "refiner": "SDXL refiner",
    "sd3": "SD 3",
}
Stamp = tuple[str, int, int]  # path, time of change in ns, size: another one, another content


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraEntry:
    name: str  # as a prompt calls it; with its folders where two files have the same
    path: Path
    stamp: Stamp
    size_bytes: int = 0
    family: str = ""  # of FAMILIES; "" if its shapes are those of none
    kinds: tuple[str, ...] = ()  # "LoRA", "LoHa", "LoKr", "full"
    rank: int | None = None  # the commonest
    changed: int = 0  # how many weights
    networks: tuple[str, ...] = ()  # "unet" or "transformer", "text_encoder", "text_encoder_2"
    precision: str = ""
    title: str = ""
    alias: str = ""  # what its trainer called it
    trigger_words: tuple[str, ...] = ()  # the most used first
    hash: str = ""  # sha256 of its tensors as the file itself says it; nobody has checked
    notes: tuple[str, ...] = ()
    problem: str | None = None  # why it cannot be used
    unread: bool = False  # it is there, and nobody has looked into it yet

    def misfit(self, model: ModelEntry) -> str | None:
        """Why it cannot be used with a model; None where nothing speaks against it."""
        if self.problem is not None or not self.family or not model.family:
            return self.problem
        if self.family == model.family:
            return None
        mine, other = (FAMILIES.get(name, name) for name in (self.family, model.family))
        return f"{_article(mine)} {mine} LoRA on {_article(other).lower()} {other} model"


def _article(name: str) -> str:
    return "An" if name.startswith("S") else "A"

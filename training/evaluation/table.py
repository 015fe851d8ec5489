"""All measures of one model, as a table beside what was aimed at."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from training import run
from training.diffusion import Material
from training.evaluation import measures
from training.evaluation.likeness import Likeness
from training.evaluation.measures import Scale
from training.evaluation.model import Model
from training.presets import Preset

GUIDANCE = 4.0
SMALL = Scale(names=200, seeds=4, colours=192, pairs=100, compositions=256)
WHOLE = Scale(names=0, seeds=4, colours=768, pairs=400, compositions=1024)
QUICK = Scale(names=4, seeds=1, colours=12, pairs=4, compositions=16)
PARTS = ("features", "vae", "speed", "colours", "names", "synonyms", "pairs")


@dataclass(frozen=True)
class Row:
    """`aim` is None for what is only told."""

    measure: str
    value: float
    unit: str
    aim: float | None = None

    def __str__(self) -> str:
        shown = f"{self.value:.1%}" if self.unit == "%" else f"{self.value:.2f} {self.unit}"
        aim = "" if self.aim is None else f"{self.aim:.0%}" if self.unit == "%" else f"{self.aim:g}"
        return f"| {self.measure} | {shown} | {aim} |"


def rows(model: Model, material: Material, preset: Preset, scale: Scale, part: str) -> list[Row]:
    """The rows of one of PARTS."""
    known, composer = material.known, material.composer
    if part == "vae":
        vae = model.pipeline.vae.to(memory_format=torch.channels_last)
        found = measures.reconstruction(vae, composer, known, preset, scale.compositions)
        return [Row("VAE: PSNR of compositions that it has not seen", found, "dB", 30)]
    if part == "speed":
        return [Row(f"seconds: {name}", found, "s") for name, found in model.seconds().items()]
    if part == "colours":
        found = measures.colours(model, known, scale.colours)
        return [Row("colour of the ground as asked", found, "%", 0.97)]
    pictures = measures.references(composer, known, model.pixels)
    likeness = Likeness.of(pictures)
    if part == "features":
        seen, noise = likeness.check(pictures)
        return [
            Row("features: augmented references found", seen, "%", 0.99),
            Row("features: noise found", noise, "%"),
            Row("features: classes that are not one", len(likeness.group.unique()), ""),
        ]
    if part == "synonyms":
        found = measures.synonyms(model, likeness, known, scale.seeds)
        return [Row("synonyms: top 5", found, "%", 0.6)]
    if part == "pairs":
        first, five = measures.pairs(model, likeness, known, scale.pairs)
        return [
            Row("two things, both nearest", first, "%", 0.7),
            Row("two things, both in top 5", five, "%"),
        ]
    first, five = measures.names(model, likeness, known, scale)
    return [Row("names: top 1", first, "%", 0.8), Row("names: top 5", five, "%", 0.93)]


def evaluate(folder: Path, material: Material, preset: Preset, scale: Scale, out: Path) -> str:
    """The table, in Markdown; its parts are kept in the file `out` as they are found, and none that
    is there is measured again."""
    found: dict[str, list[dict[str, object]]] = {}
    if out.exists():
        found = json.loads(out.read_text("utf-8"))
    model = Model.of(folder, GUIDANCE, run.device())
    for part in PARTS:
        if part not in found:
            found[part] = [vars(row) for row in rows(model, material, preset, scale, part)]
            out.write_text(json.dumps(found, indent=1), "utf-8", newline="\n")
    lines = ["| measure | found | aim |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(str(Row(**row)) for part in PARTS for row in found[part])])

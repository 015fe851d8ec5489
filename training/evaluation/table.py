"""All measures of one model, as a table beside what was aimed at."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
SAMPLE = Scale(names=200, seeds=1, colours=96, pairs=48, compositions=128)
QUICK = Scale(names=4, seeds=1, colours=12, pairs=4, compositions=16)
SCALES = {"quick": QUICK, "sample": SAMPLE, "small": SMALL, "whole": WHOLE}
PARTS = ("vae", "speed", "colours", "names", "synonyms", "pairs", "features")


@dataclass(frozen=True)
class Row:
    """`aim` is None for what is only told."""

    measure: str
    value: float
    unit: str
    aim: float | None = None

    def __str__(self) -> str:
        shown = f"{self.value:.1%}" if self.unit == "%" else f"{self.value:.5g} {self.unit}".strip()
        aim = "" if self.aim is None else f"{self.aim:.0%}" if self.unit == "%" else f"{self.aim:g}"
        return f"| {self.measure} | {shown} | {aim} |"


def rows(
    model: Model, material: Material, preset: Preset, scale: Scale, todo: Sequence[str]
) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each of the PARTS that are to do."""
    known, composer = material.known, material.composer
    if "vae" in todo:
        vae = model.pipeline.vae
        found = measures.reconstruction(vae, composer, known, preset, scale.compositions)
        yield "vae", [Row("VAE: PSNR of compositions that it has not seen", found, "dB", 30)]
    if "speed" in todo:
        yield "speed", [Row(f"seconds: {name}", it, "s") for name, it in model.seconds().items()]
    if "colours" in todo:
        found = measures.colours(model, known, scale.colours)
        yield "colours", [Row("colour of the ground as asked", found, "%", 0.97)]
    if set(todo) & {"names", "synonyms", "pairs", "features"}:
        yield from _by_likeness(model, material, scale, todo)


def _by_likeness(
    model: Model, material: Material, scale: Scale, todo: Sequence[str]
) -> Iterator[tuple[str, list[Row]]]:
    """Those that ask which emoji a picture shows."""
    known = material.known
    pictures = measures.references(material.composer, known, model.pixels)
    likeness = Likeness.of(pictures)
    if "names" in todo:
        first, five = measures.names(model, likeness, known, scale)
        yield (
            "names",
            [Row("names: top 1", first, "%", 0.8), Row("names: top 5", five, "%", 0.93)],
        )
    if "synonyms" in todo:
        found = measures.synonyms(model, likeness, known, scale.seeds)
        yield "synonyms", [Row("synonyms: top 5", found, "%", 0.6)]
    if "pairs" in todo:
        first, five = measures.pairs(model, likeness, known, scale.pairs)
        yield (
            "pairs",
            [
                Row("two things, both nearest", first, "%", 0.7),
                Row("two things, both in top 5", five, "%"),
            ],
        )
    if "features" in todo:
        seen, noise = likeness.check(pictures)
        yield (
            "features",
            [
                Row("features: augmented references found", seen, "%", 0.99),
                Row("features: noise found", noise, "%"),
                Row("features: classes that are not one", len(set(likeness.group.tolist())), ""),
            ],
        )


def evaluate(folder: Path, material: Material, preset: Preset, scale: Scale, out: Path) -> str:
    """The table, in Markdown; its parts are kept in the file `out` as they are found, and none that
    is there is measured again."""
    found: dict[str, list[dict[str, Any]]] = {}
    if out.exists():
        found = json.loads(out.read_text("utf-8"))
    todo = [part for part in PARTS if part not in found]
    model = Model.of(folder, GUIDANCE, run.device())
    for part, those in rows(model, material, preset, scale, todo):
        found[part] = [asdict(row) for row in those]
        out.write_text(json.dumps(found, indent=1), "utf-8", newline="\n")
        print(*those, sep="\n", flush=True)
    lines = ["| measure | found | aim |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(str(Row(**row)) for part in PARTS for row in found[part])])

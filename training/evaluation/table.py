"""All measures of one model, as a table beside what was aimed at."""

import hashlib
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

GUIDANCE = 2.0
SMALL = Scale(names=200, seeds=4, colours=192, pairs=100, places=96, compositions=256)
WHOLE = Scale(names=0, seeds=4, colours=768, pairs=400, places=384, compositions=1024)
SAMPLE = Scale(names=100, seeds=1, colours=96, pairs=48, places=48, compositions=128)
QUICK = Scale(names=4, seeds=1, colours=12, pairs=4, places=8, compositions=16)
SCALES = {"quick": QUICK, "sample": SAMPLE, "small": SMALL, "whole": WHOLE}
PARTS = ("vae", "speed", "colours", "places", "names", "synonyms", "pairs", "features")


@dataclass(frozen=True)
class Row:
    """`aim` is None for what is only told."""

    measure: str
    value: float
    unit: str
    aim: float | None = None

    def shown(self) -> str:
        return self._with_unit(self.value, "{:.1%}", "{:.3g}")

    def aimed(self) -> str:
        return "" if self.aim is None else self._with_unit(self.aim, "{:.0%}", "{:g}")

    def _with_unit(self, value: float, share: str, other: str) -> str:
        if self.unit == "%":
            return share.format(value)
        return f"{other.format(value)} {self.unit}".strip()


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
    if "places" in todo:
        placed, sized = measures.places(model, known, scale.places)
        yield (
            "places",
            [Row("side as asked", placed, "%"), Row("small or large, as asked", sized, "%")],
        )
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
        (first, five), (known_first, known_five) = measures.names(model, likeness, known, scale)
        yield (
            "names",
            [
                Row("names: top 1", first, "%", 0.8),
                Row("names: top 5", five, "%", 0.93),
                Row("names of the familiar: top 1", known_first, "%"),
                Row("names of the familiar: top 5", known_five, "%"),
            ],
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


def evaluate(
    folder: Path, material: Material, preset: Preset, scale: Scale, out: Path
) -> list[Row]:
    """All rows; they are kept, part by part, in the file `out` as they are found, and none that
    was found of the same weights is measured again."""
    mark = _mark(folder)
    found = _kept(out, mark)
    todo = [part for part in PARTS if part not in found]
    model = Model.of(folder, GUIDANCE, run.device())
    for part, those in rows(model, material, preset, scale, todo):
        found[part] = [asdict(row) for row in those]
        out.write_text(json.dumps({"weights": mark, "found": found}, indent=1), "utf-8")
        print(markdown(those), flush=True)
    return kept(folder, out)


def kept(folder: Path, out: Path) -> list[Row]:
    """What `evaluate` found so far of these weights, in the order of PARTS."""
    found = _kept(out, _mark(folder))
    return [Row(**row) for part in PARTS for row in found.get(part, [])]


def _kept(out: Path, mark: str) -> dict[str, list[dict[str, Any]]]:
    if not out.exists():
        return {}
    read = json.loads(out.read_text("utf-8"))
    found: dict[str, list[dict[str, Any]]] = read["found"]
    return found if read["weights"] == mark else {}


def _mark(folder: Path) -> str:
    """Tells these weights, at this guidance, from others."""
    digest = hashlib.sha256(str(GUIDANCE).encode())
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def markdown(rows: Sequence[Row]) -> str:
    lines = [f"| {row.measure} | {row.shown()} | {row.aimed()} |" for row in rows]
    return "\n".join(["| measure | found | aim |", "| --- | --- | --- |", *lines])

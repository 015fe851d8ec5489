"""Makes the model: `python -m training --preset gpu --work FOLDER`, again and again until it says
that all is done.

    python -m training [--preset cpu|gpu] [--work FOLDER] [--minutes M] [STEP ...]

Each step takes up where it was left; a step that is done is passed over. Without STEP: all of them,
prepare, vae, unet, tiny, export, sheet, evaluate, card. `--minutes` ends this process after so
many, its state kept. `--start` begins with a model's folder in place of random numbers.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from training import autoencoder, card, diffusion, export, prepare, run, sheet, tiny, vocabulary
from training.compose import Composer
from training.diffusion import Material
from training.evaluation import table
from training.evaluation.model import Model
from training.presets import PRESETS, Preset

STEPS = ("prepare", "vae", "unet", "tiny", "export", "sheet", "evaluate", "card")


def main(given: Sequence[str] | None = None) -> None:
    """As the command line says; None: that of this process."""
    arguments = _arguments(given)
    preset: Preset = PRESETS[arguments.preset]
    ends = time.monotonic() + arguments.minutes * 60
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    for step in arguments.steps or STEPS:
        left = (ends - time.monotonic()) / 60
        if left <= 0 or not _DO[step](arguments, preset, left):
            print(f"{step} is not done: the same command continues it")
            return
        print(f"{step} is done", flush=True)


def _prepare(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    prepare.prepare(arguments.packages or arguments.work / "packages", arguments.work / "data")
    return True


def _vae(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    made = _material(arguments, preset)
    return autoencoder.train(
        preset, made.known, made.composer, _folder(arguments), left, start=arguments.start
    )


def _unet(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    return diffusion.train(
        preset, _material(arguments, preset), _folder(arguments), left,
        start=arguments.start, compiled=arguments.compile,
    )  # fmt: skip


def _material(arguments: argparse.Namespace, preset: Preset) -> Material:
    data = arguments.work / "data"
    known = prepare.classes(data)
    composer = Composer(prepare.pictures(data, known, preset.source), run.device())
    return Material(known, composer, vocabulary.tokenizer(data / "tokenizer"), data)


def _tiny(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    made = _material(arguments, preset)
    return tiny.train(preset, made.known, made.composer, _folder(arguments), left)


def _export(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    size = export.export(_folder(arguments), arguments.work / "data", _model(arguments))
    print(f"{_model(arguments)}: {size / 1e6:.1f} MB of weights")
    return True


def _evaluate(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    model = _model(arguments)
    scale = table.SCALES[arguments.scale]
    rows = table.evaluate(model, _material(arguments, preset), preset, scale, _found(arguments))
    print(table.markdown(rows))
    return True


def _card(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    model = _model(arguments)
    rows = table.kept(model, _found(arguments))
    known = prepare.classes(arguments.work / "data")
    text = card.card(model, _folder(arguments), preset, known, rows)
    (model / "README.md").write_text(text, "utf-8", newline="\n")
    beside = model.with_name(f"{model.name}.json")
    beside.write_text(card.beside(preset), "utf-8", newline="\n")
    return True


def _sheet(arguments: argparse.Namespace, preset: Preset, left: float) -> bool:
    name = _model(arguments).name
    model = Model.of(_model(arguments), table.GUIDANCE, run.device())
    sheet.sheet(model, sheet.PROMPTS, _folder(arguments) / f"sheet-{name}.webp")
    sheet.sheet(model, card.EXAMPLES, _folder(arguments) / f"examples-{name}.webp")
    return True


def _found(arguments: argparse.Namespace) -> Path:
    return _folder(arguments) / f"found-{_model(arguments).name}-{arguments.scale}.json"


def _model(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.model or _folder(arguments) / "model"
    return folder


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.work / arguments.preset
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_DO: dict[str, Callable[[argparse.Namespace, Preset, float], bool]] = {
    "prepare": _prepare,
    "vae": _vae,
    "unet": _unet,
    "tiny": _tiny,
    "export": _export,
    "sheet": _sheet,
    "evaluate": _evaluate,
    "card": _card,
}


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="gpu")
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--packages", type=Path, help="where the packages lie or go")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument(
        "--compile", action="store_true", help="the UNet also without a GPU; needs a C++ compiler"
    )
    parser.add_argument("--start", type=Path, help="a model's folder to begin with")
    parser.add_argument("--model", type=Path, help="a folder to show and measure, not the trained")
    parser.add_argument("--scale", choices=sorted(table.SCALES), default="small")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()

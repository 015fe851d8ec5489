"""A model that is a folder in diffusers layout.

Whatever is in it may have come from anywhere: it is read with limits, links in it must stay in it,
and a broken one is listed with its problem.
"""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from webui import safetensors_header as header
from webui.files import printable
from webui.library import bounds
from webui.library.entries import ModelEntry, Report
from webui.library.native_size import native_size
from webui.library.problem import ProblemError, shown
from webui.safetensors_header import Header, HeaderError

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
)
WEIGHTS = {  # component -> the file that holds it
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "text_encoder_2": "model.safetensors",
}
SIGNS = ("model_index.json", "unet")  # what tells a model from a folder of models
_CONFIGS = {  # what the loaders of a part build it from
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "text_encoder_2": "config.json",
    "scheduler": "scheduler_config.json",
}
_PARTS = (*_CONFIGS, "tokenizer", "tokenizer_2")
_MAX_JSON = 2**20  # bytes
_MAX_PART_FILES = 100


def watched(folder: Path) -> list[Path]:
    """What tells that the model has changed: some file or folder of it did."""
    parts = [folder / part for part in _PARTS]
    configs = [folder / part / name for part, name in _CONFIGS.items()]
    weights = [folder / part / name for part, name in WEIGHTS.items()]
    return [folder, folder / "model_index.json", *parts, *configs, *weights]


def entry(folder: Path, name: str) -> ModelEntry:
    """The folder as the list has it; never raises."""
    weights = folder / "unet" / WEIGHTS["unet"]
    try:
        _check_path(folder)
        parts = _parts(_object(folder / "model_index.json"))
        size_bytes = sum(_check_part(folder, part) for part in parts)
        configs = {part: _config(folder, part) for part in parts if part in _CONFIGS}
        scale_factor, width, height = native_size(configs["unet"], configs["vae"])
        for part, config in configs.items():
            bounds.check(part, f"{part}/{_CONFIGS[part]}", config)
        _check_scheduler(configs["scheduler"])
        family = _family(configs)
        return ModelEntry(
            name=name, path=folder, family=family, native_width=width, native_height=height,
            scale_factor=scale_factor, weights=weights, size_bytes=size_bytes, configs=configs,
            tokenizer=folder / ("tokenizer" if "tokenizer" in parts else "tokenizer_2"),
            report=_report(folder, family, configs),
        )  # fmt: skip
    except (ProblemError, OSError) as error:
        problem = str(error) if isinstance(error, ProblemError) else _os_problem(folder, error)
        return ModelEntry(name=name, path=folder, weights=weights, problem=problem)


def _parts(index: Mapping[str, Any]) -> list[str]:
    """Those that a model of this index must have. Raises ProblemError."""
    kind = index.get("_class_name")
    if kind not in PIPELINES:
        raise ProblemError(
            f"model_index.json says {shown(kind)}; only {', '.join(PIPELINES)} can be used now"
        )
    if "XL" not in str(kind):
        return [part for part in _PARTS if not part.endswith("_2")]
    # SDXL's refiner has the second text encoder alone
    without = [part for part in ("text_encoder", "tokenizer") if not _named(index, part)]
    return [part for part in _PARTS if part not in without]


def _named(index: Mapping[str, Any], part: str) -> bool:
    said = index.get(part)
    return isinstance(said, list) and any(said)


def _family(configs: Mapping[str, Mapping[str, Any]]) -> str:
    """By structure: which text encoders there are, and what the UNet takes of them."""
    if "text_encoder_2" in configs:
        if configs["unet"].get("addition_embed_type") != "text_time":
            raise ProblemError("unet/config.json: takes no sizes, as every SDXL model does")
        return "sdxl" if "text_encoder" in configs else "refiner"
    # OpenCLIP's activation; CLIP has quick_gelu, which is what a config means that says nothing
    return "sd2" if configs["text_encoder"].get("hidden_act") == "gelu" else "sd1"


def _check_scheduler(config: Mapping[str, Any]) -> None:
    kind = str(config.get("_class_name", ""))
    if kind.startswith(("EDM", "FlowMatch")):
        raise ProblemError(f"scheduler/ says {shown(kind)}; such models cannot be used yet")


def _report(folder: Path, family: str, configs: Mapping[str, Mapping[str, Any]]) -> Report:
    found = {part: _header(folder / part / name) for part, name in WEIGHTS.items()}
    notes = tuple(
        f"{part}: {problem}" for part, problem in found.items() if isinstance(problem, str)
    )
    headers = {part: each for part, each in found.items() if isinstance(each, Header)}
    scheduler = configs["scheduler"]
    return Report(
        kind="checkpoint",
        family=family,
        precision=header.precision(headers["unet"].tensors.values()) if "unet" in headers else "",
        prediction=str(scheduler.get("prediction_type", "epsilon")),
        zero_terminal_snr=scheduler.get("rescale_betas_zero_snr") is True,
        parts=tuple(part for part in WEIGHTS if part in configs),
        weights=sum(each.count for part in headers.values() for each in part.tensors.values()),
        notes=notes,
    )


def _header(path: Path) -> Header | str | None:
    """None if there is no such file; else the header, or why it cannot be read."""
    try:
        return header.read(path) if path.is_file() else None
    except (HeaderError, OSError) as error:
        return str(error)


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / _CONFIGS[part]
    if part.startswith(("text_encoder", "scheduler")) and not path.is_file():
        return {}  # the loader says so; what it has is not asked for before
    config = dict(_object(path))
    if part.startswith("text_encoder") and isinstance(config.get("text_config"), dict):
        config |= config["text_config"]  # it was saved with the half that sees pictures
    return config


def _check_path(folder: Path) -> None:
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # the reader of safetensors takes no other names
        raise ProblemError("the folder's name is not valid UTF-8; rename it") from None


def _check_part(folder: Path, part: str) -> int:
    """The size of the part's weights, 0 for one without. Raises ProblemError."""
    place = folder / part
    if not place.is_dir():
        raise ProblemError(f"{part}/ is missing")
    with os.scandir(place) as found:
        files = {each.name: each for each in islice(found, _MAX_PART_FILES + 1)}
    if len(files) > _MAX_PART_FILES:
        raise ProblemError(f"{part}/ holds more than {_MAX_PART_FILES} files")
    linked = [place / name for name, each in files.items() if each.is_symlink()]
    _check_inside(folder, [place, *linked] if place.is_symlink() else linked)
    index = next((each for each in files if each.casefold().endswith(".index.json")), None)
    if index is not None:  # loaders prefer it, and it may name any file
        raise ProblemError(f"{part}/{printable(index)} is there; sharded weights are not read yet")
    if part not in WEIGHTS:
        return 0
    name = WEIGHTS[part]
    if name in files and files[name].is_file():
        return files[name].stat().st_size
    if any(each.endswith((".bin", ".pt", ".pth", ".ckpt")) for each in files):
        raise ProblemError(
            f"{part}/{name} is missing; the weights there are pickles, which can run code, "
            "so they are not read: convert them to safetensors"
        )
    raise ProblemError(f"{part}/{name} is missing")


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
            raise ProblemError(f"{shown} is a link that leads out of the model's folder")


def _object(path: Path) -> Mapping[str, Any]:
    """A small JSON object from a file that anyone may have written."""
    shown = f"{path.parent.name}/{path.name}" if path.parent.name in _PARTS else path.name
    home = path.parent.parent if path.parent.name in _PARTS else path.parent
    if not path.is_file():
        raise ProblemError(f"{shown} is missing")
    if path.is_symlink():
        _check_inside(home, [path])
    with path.open("rb") as file:
        data = file.read(_MAX_JSON + 1)
    if len(data) > _MAX_JSON:
        raise ProblemError(f"{shown} is larger than {_MAX_JSON} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ProblemError(f"{shown} is not valid JSON") from None
    if not isinstance(value, dict):
        raise ProblemError(f"{shown} is not a JSON object")
    return value


def _os_problem(folder: Path, error: OSError) -> str:
    return f"{printable(folder.name)} cannot be read: {error.strerror}"

"""A model that is a folder in diffusers layout.

Whatever is in it may have come from anywhere: it is read with limits, links in it must stay in it,
and a broken one is listed with its problem.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from webui import safetensors_header as header
from webui.fields import shown
from webui.files import printable
from webui.library import bounds
from webui.library.entries import ModelEntry, Report
from webui.library.native_size import native_size
from webui.library.problem import ProblemError
from webui.library.shards import files, names
from webui.safetensors_header import Header, HeaderError
from webui.small_files import SmallFileError, json_object

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusion3Img2ImgPipeline",
    "StableDiffusion3InpaintPipeline",
)
WEIGHTS = {  # component -> the file that holds it
    "unet": "diffusion_pytorch_model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "text_encoder_2": "model.safetensors",
    "text_encoder_3": "model.safetensors",
}
SIGNS = ("model_index.json", "unet", "transformer")  # what tells a model from a folder of models
_CONFIGS = {  # what the loaders of a part build it from
    "unet": "config.json",
    "transformer": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "text_encoder_2": "config.json",
    "text_encoder_3": "config.json",
    "scheduler": "scheduler_config.json",
}
_PARTS = (*_CONFIGS, "tokenizer", "tokenizer_2", "tokenizer_3")
_OPTIONAL = {  # what the kind of pipeline's index may leave out
    "StableDiffusionXL": ("text_encoder", "tokenizer"),  # the refiner has the second one alone
    "StableDiffusion3": ("text_encoder_3", "tokenizer_3"),
}
_MAX_JSON = 2**20  # bytes
_MAX_PART_FILES = 100


def watched(folder: Path) -> list[Path]:
    """What tells that the model has changed: some file or folder of it did."""
    parts = [folder / part for part in _PARTS]
    configs = [folder / part / name for part, name in _CONFIGS.items()]
    weights = [each for part, name in WEIGHTS.items() for each in files(folder / part, name)]
    return [folder, folder / "model_index.json", *parts, *configs, *weights]


def entry(folder: Path, name: str) -> ModelEntry:
    """The folder as the list has it; never raises."""
    weights = folder / "unet" / WEIGHTS["unet"]
    try:
        _check_path(folder)
        parts = _parts(_object(folder / "model_index.json"))
        network = "transformer" if "transformer" in parts else "unet"
        weights = files(folder / network, WEIGHTS[network])[0]
        size_bytes = sum(_check_part(folder, part) for part in parts)
        configs = {part: _config(folder, part) for part in parts if part in _CONFIGS}
        scale_factor, width, height = native_size(configs[network], configs["vae"], network)
        for part, config in configs.items():
            bounds.check(part, f"{part}/{_CONFIGS[part]}", config)
        check_scheduler(configs["scheduler"], network == "transformer")
        family = _family(configs)
        return ModelEntry(
            name=name, path=folder, family=family, native_width=width, native_height=height,
            scale_factor=scale_factor, weights=weights, size_bytes=size_bytes, configs=configs,
            tokenizer=folder / ("tokenizer" if "tokenizer" in parts else "tokenizer_2"),
            t5_tokenizer=folder / "tokenizer_3" if "tokenizer_3" in parts else None,
            report=_report(folder, family, network, configs),
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
    named = str(kind)
    flow = named.startswith("StableDiffusion3")
    absent = ["unet" if flow else "transformer"]
    if not flow:
        absent += [part for part in _PARTS if part.endswith("_3")]
    if named.startswith(("StableDiffusionPipeline", "StableDiffusionInpaint")):
        absent += [part for part in _PARTS if part.endswith("_2")]
    optional = next((parts for start, parts in _OPTIONAL.items() if named.startswith(start)), ())
    absent += [part for part in optional if not _named(index, part)]
    return [part for part in _PARTS if part not in absent]


def _named(index: Mapping[str, Any], part: str) -> bool:
    said = index.get(part)
    return isinstance(said, list) and any(said)


def _family(configs: Mapping[str, Mapping[str, Any]]) -> str:
    """By structure: which text encoders there are, and what the network takes of them."""
    if "transformer" in configs:
        if "joint_attention_dim" not in configs["transformer"]:
            raise ProblemError("transformer/config.json: is none of Stable Diffusion 3's")
        return "sd3"
    if "text_encoder_2" in configs:
        if configs["unet"].get("addition_embed_type") != "text_time":
            raise ProblemError("unet/config.json: takes no sizes, as every SDXL model does")
        return "sdxl" if "text_encoder" in configs else "refiner"
    # OpenCLIP's activation; CLIP has quick_gelu, which is what a config means that says nothing
    return "sd2" if configs["text_encoder"].get("hidden_act") == "gelu" else "sd1"


def check_scheduler(config: Mapping[str, Any], flow: bool) -> None:
    """Raises ProblemError for noise levels of a kind that is not built here."""
    kind = str(config.get("_class_name", ""))
    if kind.startswith("EDM") or (kind.startswith("FlowMatch") and not flow):
        raise ProblemError(f"scheduler/ says {shown(kind)}; such models cannot be used yet")
    if flow and not kind.startswith("FlowMatch"):
        raise ProblemError(f"scheduler/ says {shown(kind)}, and its transformer needs a FlowMatch")
    if flow and config.get("use_dynamic_shifting"):
        raise ProblemError(
            "scheduler/ says use_dynamic_shifting, a shift for each size; such models cannot be "
            "used yet"
        )


def _report(
    folder: Path, family: str, network: str, configs: Mapping[str, Mapping[str, Any]]
) -> Report:
    found = [
        (part, _header(path, part))
        for part, name in WEIGHTS.items()
        for path in files(folder / part, name)
    ]
    notes = []
    if network == "transformer" and "text_encoder_3" not in configs:
        notes.append("it holds no T5: texts are read by CLIP alone")
    headers = [(part, each) for part, each in found if each is not None]
    own = [each.tensors for part, each in headers if part == network]
    denoising = [tensor for tensors in own for tensor in tensors.values()]
    scheduler = configs["scheduler"]
    sizes = dict.fromkeys((part for part, _ in headers), 0)
    for part, each in headers:  # a part may lie in several files
        sizes[part] += sum(tensor.count for tensor in each.tensors.values())
    return Report(
        kind="checkpoint",
        family=family,
        precision=header.precision(denoising) if denoising else "",
        prediction=(
            "flow" if network == "transformer" else str(scheduler.get("prediction_type", "epsilon"))
        ),
        zero_terminal_snr=scheduler.get("rescale_betas_zero_snr") is True,
        parts=tuple(part for part in WEIGHTS if part in configs),
        weights=sum(sizes.values()),
        sizes=sizes,
        notes=tuple(notes),
    )


def _header(path: Path, part: str) -> Header | None:
    """None if there is no such file. Raises ProblemError, OSError."""
    try:
        return header.read(path) if path.is_file() else None
    except HeaderError as error:
        raise ProblemError(f"{part}/{path.name}: {error}") from None


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
        there = {each.name: each for each in islice(found, _MAX_PART_FILES + 1)}
    if len(there) > _MAX_PART_FILES:
        raise ProblemError(f"{part}/ holds more than {_MAX_PART_FILES} files")
    linked = [place / name for name, each in there.items() if each.is_symlink()]
    _check_inside(folder, [place, *linked] if place.is_symlink() else linked)
    if part not in WEIGHTS:
        return 0
    name = WEIGHTS[part]
    used = [there[each] for each in names((key for key in there if there[key].is_file()), name)]
    if used:
        return sum(each.stat().st_size for each in used)
    if any(each.endswith((".bin", ".pt", ".pth", ".ckpt")) for each in there):
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
    if path.is_symlink() and path.is_file():
        _check_inside(home, [path])
    try:
        return json_object(path, _MAX_JSON)
    except SmallFileError as error:
        raise ProblemError(f"{shown} {error}") from None


def _os_problem(folder: Path, error: OSError) -> str:
    return f"{printable(folder.name)} cannot be read: {error.strerror}"

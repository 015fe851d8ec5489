"""A checkpoint that is one safetensors file, in the key layouts of the programs that trained it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from webui import safetensors_header as header
from webui.files import printable
from webui.library import bounds, folder, shapes
from webui.library.declared import Sections, declared
from webui.library.entries import ModelEntry, Report
from webui.library.native_size import native_size
from webui.library.problem import ProblemError
from webui.library.structure import (
    BARE,
    ENCODERS,
    FOLDERS,
    KINDS,
    NETWORKS,
    T5,
    Structure,
    structure,
)
from webui.safetensors_header import Header, HeaderError, Tensor
from webui.weight_files import plain, refuse_pickle

_CONFIGS = Path(__file__).parent / "configs"
_ROOT = Path(__file__).parents[2]
# CLIP's vocabulary, which all families share and no checkpoint holds, comes with what ships
VOCABULARY = _ROOT / "models" / "checkpoints" / "fluent-emoji" / "tokenizer"
_SIZE_IDS = {"sdxl": 6, "refiner": 5}  # numbers about its size that a picture is conditioned on
_EMA = "model_ema."
_SCALED = (
    ".scale_weight",
    ".weight_scale",
    "scaled_fp8",
    ".comfy_quant",
)  # beside weights that are not what they say


def entry(path: Path, name: str, vae: Path | None = None) -> ModelEntry:
    """The file as the list has it; never raises. `vae` is one that goes with it by its name."""
    size, report = 0, Report()
    try:
        size = checked(path)
        found = header.read(path)
        what = structure(found)
        left_out = _left_out(path, found, what.family)
        report = _report(found, what, left_out)
        _check_kind(found, what, left_out)
        configs = _configs(path, found, what.family, left_out)
        report = _with_configs(report, configs, vae)
        return _usable(path, name, size, configs, report, vae)
    except (ProblemError, HeaderError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
    return ModelEntry(
        name=name, path=path, layout="file", weights=path, size_bytes=size, report=report,
        problem=problem,
    )  # fmt: skip


def separate_vae_config(path: Path, own: Mapping[str, Any]) -> dict[str, Any]:
    """Of a VAE's file, for a model whose `own` VAE has that config: the scale of the latents is the
    model's. Raises ProblemError, HeaderError, OSError."""
    checked(path)
    found = header.read(path)
    what = structure(found)
    if what.kind != "vae":
        raise ProblemError(f"this is {KINDS[what.kind]}, not a VAE")
    said = declared(path, found)["vae"]
    sized = shapes.vae(found, vae_prefix(found))
    config = shapes.with_heads("vae", {**own, **sized, **said})
    bounds.check("vae", "vae", config)
    return config


def vae_prefix(found: Header) -> str:
    """What the keys of a VAE's own file begin with."""
    return shapes.VAE if any(key.startswith(shapes.VAE) for key in found.tensors) else ""


def t5_tokenizer(path: Path) -> Path:
    """Where T5's vocabulary stands, which no single file holds: the folder of that name that a
    model in diffusers' layout has, beside the file."""
    return path.with_name("tokenizer_3")


def _usable(
    path: Path, name: str, size: int, configs: Sections, report: Report, vae: Path | None
) -> ModelEntry:
    network = NETWORKS.get(report.family, "unet")
    scale_factor, width, height = native_size(configs[network], configs["vae"], network)
    return ModelEntry(
        name=name, path=path, layout="file", family=report.family, native_width=width,
        native_height=height, scale_factor=scale_factor, weights=path, size_bytes=size,
        configs=configs, tokenizer=VOCABULARY, vae=vae, report=report,
        t5_tokenizer=t5_tokenizer(path) if "text_encoder_3" in configs else None,
    )  # fmt: skip


def checked(path: Path) -> int:
    """Its size in bytes. Raises ProblemError or HeaderError for what is no file to be opened."""
    refuse_pickle(path, "docs/models.md")
    try:
        str(path).encode()
    except UnicodeEncodeError:  # the reader of safetensors takes no other names
        raise ProblemError("the file's name is not valid UTF-8; rename it") from None
    try:
        return plain(path).st_size
    except FileNotFoundError:
        raise ProblemError("it is a link to nothing") from None


def _check_kind(found: Header, what: Structure, left_out: Mapping[str, str]) -> None:
    """Raises ProblemError for what is no checkpoint of a family here."""
    if what.family:
        used = (key for key in found.tensors if not key.startswith(tuple(left_out)))
        if scaled := next((key for key in used if key.endswith(_SCALED)), None):
            raise ProblemError(
                f"its weights are scaled or quantized ({scaled[:80]}), which cannot be used; "
                "a file in fp16, bf16 or plain fp8 can"
            )
        whole = [key for key, each in found.tensors.items() if _is_wrong(key, each.dtype)]
        if whole:
            raise ProblemError(f"{whole[0][:80]} holds whole numbers, which are no weights")
        return
    if what.other == BARE:
        raise ProblemError(
            f"this is {what.other}; a file that holds them (it is called ..._incl_clips...) can be "
            "used, and a folder in diffusers' layout"
        )
    if what.other:
        raise ProblemError(f"this is {what.other}, which cannot be used yet")
    if what.kind == "checkpoint":
        raise ProblemError("its text encoders are none that a family here has")
    named = KINDS[what.kind]
    place = FOLDERS.get(what.kind)
    if what.kind == "unet":
        named += ": its text encoder and VAE are missing"
    advice = f"; it belongs into {place}" if place else ""
    raise ProblemError(f"{named}, not a checkpoint{advice}")


def _is_wrong(key: str, dtype: str) -> bool:
    if dtype in header.FLOATS:
        return False
    return key.startswith((shapes.UNET, shapes.VAE)) or key.endswith(".weight")


def _left_out(path: Path, found: Header, family: str) -> dict[str, str]:
    """What the keys of a part begin with that is there and is not loaded -> why, as a sentence
    without its point."""
    if family not in NETWORKS or not any(key.startswith(T5) for key in found.tensors):
        return {}
    if any(key.startswith(T5) and key.endswith(_SCALED) for key in found.tensors):
        return {T5: "its T5 is scaled fp8, which is not read: texts are read by CLIP alone"}
    if t5_tokenizer(path).is_dir():
        return {}
    return {
        T5: "its T5 is not read, for its vocabulary is in no single file: put the folder "
        "tokenizer_3 of the model's diffusers layout beside it; now texts are read by CLIP alone"
    }


def _configs(path: Path, found: Header, family: str, left_out: Mapping[str, str]) -> Sections:
    """By part: what ships for the family, what the shapes say, what is declared; last counts."""
    said, shipped = declared(path, found), dict(_shipped(family))
    if T5 in left_out or not any(key.startswith(T5) for key in found.tensors):
        shipped.pop("text_encoder_3", None)
    sized = {part: _of_shapes(part, found, family) for part in shipped if part != "scheduler"}
    if "unet" in sized and "text_encoder_2" in sized:
        sized["unet"] |= _size_conditioning(found, family, sized["text_encoder_2"])
    if family == "sd2":  # it was trained on what comes before the last layer, which is left out
        sized["text_encoder"]["num_hidden_layers"] -= 1
    configs: Sections = {}
    for part, ours in shipped.items():
        merged = {**ours, **sized.get(part, {}), **said.get(part, {})}
        if part != "scheduler" and merged.keys() - ours.keys():
            merged = shapes.with_heads(part, merged)
        configs[part] = merged
        bounds.check(part, part, merged)
    folder.check_scheduler(configs["scheduler"], family in NETWORKS)
    return configs


def _of_shapes(part: str, found: Header, family: str) -> dict[str, Any]:
    if part == "unet":
        return shapes.unet(found)
    if part == "transformer":
        return shapes.transformer(found)
    if part == "text_encoder_3":
        return shapes.t5(found, T5)
    if part == "vae":
        has_one = any(key.startswith(shapes.VAE) for key in found.tensors)
        return shapes.vae(found) if has_one else {}
    prefix = ENCODERS[family][part]
    read = shapes.clip if prefix.endswith("transformer.") else shapes.open_clip
    return read(found, prefix)


def _size_conditioning(found: Header, family: str, text: Mapping[str, Any]) -> dict[str, Any]:
    shape = found.shape(f"{shapes.UNET}label_emb.0.0.weight")
    width = shape[1] if shape is not None and len(shape) == 2 else 0
    each, left = divmod(width - int(text["projection_dim"]), _SIZE_IDS[family])
    if each <= 0 or left:
        raise ProblemError("its UNet and its text encoders do not fit together")
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": each,
        "projection_class_embeddings_input_dim": width,
    }


def _report(found: Header, what: Structure, left_out: Mapping[str, str]) -> Report:
    notes = list(left_out.values())
    used = {key: each for key, each in found.tensors.items() if not key.startswith(_EMA)}
    if len(used) < len(found.tensors):
        notes.append("it also holds averaged (EMA) weights, which are not loaded")
    used = {key: each for key, each in used.items() if not key.startswith(tuple(left_out))}
    sizes = _sizes(used, what)
    if what.family and "vae" not in sizes:
        notes.append("it holds no VAE: one with its name, or one that is chosen, is used")
    if what.family in NETWORKS and "text_encoder_3" not in sizes and not left_out:
        notes.append("it holds no T5: texts are read by CLIP alone")
    unet = [each for key, each in used.items() if key.startswith(shapes.UNET)]
    return Report(
        kind=what.kind,
        family=what.family,
        precision=header.precision(unet or found.tensors.values()),
        parts=tuple(sizes),
        weights=sum(tensor.count for tensor in used.values()),
        sizes=sizes,
        notes=tuple(notes),
    )


def _with_configs(report: Report, configs: Sections, vae: Path | None) -> Report:
    scheduler = configs.get("scheduler", {})
    flow = report.family in NETWORKS
    return replace(
        report,
        prediction="flow" if flow else str(scheduler.get("prediction_type", "")),
        zero_terminal_snr=scheduler.get("rescale_betas_zero_snr") is True,
        vae=printable(vae.stem) if vae else "",
    )


def _sizes(used: Mapping[str, Tensor], what: Structure) -> dict[str, int]:
    """How many weights each part that is there has."""
    prefixes = _prefixes(what)
    sizes = dict.fromkeys(prefixes, 0)
    for key, tensor in used.items():
        part = next((part for part, prefix in prefixes.items() if key.startswith(prefix)), None)
        if part is not None:
            sizes[part] += tensor.count
    return {part: count for part, count in sizes.items() if count}


def _prefixes(what: Structure) -> dict[str, str]:
    network = NETWORKS.get(what.family, "unet")
    whole = {"text_encoder_3": T5} if what.family in NETWORKS else {}
    return {network: shapes.UNET, "vae": shapes.VAE, **ENCODERS.get(what.family, {}), **whole}


@cache
def _shipped(family: str) -> Sections:
    made: Sections = json.loads((_CONFIGS / f"{family}.json").read_text("utf-8"))
    return made

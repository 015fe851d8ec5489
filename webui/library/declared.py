"""What is said of a single file: in its metadata, by marker tensors in it, by a config beside it.

Sections are called as the parts of a diffusers folder, and their keys as in the configs there. What
stands beside the file goes before what stands in it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from webui.library.problem import ProblemError
from webui.safetensors_header import Header

PARTS = (
    "unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "scheduler",
)  # fmt: skip
_MOST = 2**18  # bytes of a config beside a file
_CELL = 8  # pixels, of a latent, in the families that are known
_PREDICTIONS = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction"}
_PREDICTIONS |= {"v_prediction": "v_prediction", "v-prediction": "v_prediction"}

Sections = dict[str, dict[str, Any]]


def declared(path: Path, header: Header) -> Sections:
    """By part, with no more than what is said. Raises ProblemError for a config that is broken."""
    made: Sections = {part: {} for part in PARTS}
    said = [_of_markers(header), _of_metadata(header.metadata)]
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        said.append(_of_yaml(beside))
    beside = path.with_suffix(".json")
    if beside.is_file():
        said.append(_of_json(beside))
    for sections in said:
        for part, values in sections.items():
            made[part] |= values
    return made


def _of_markers(header: Header) -> Sections:
    """Empty tensors that trainers put in: the sign of NoobAI's models, which others took over."""
    scheduler: dict[str, Any] = {}
    if "v_pred" in header.tensors:
        scheduler["prediction_type"] = "v_prediction"
    if "ztsnr" in header.tensors:
        scheduler["rescale_betas_zero_snr"] = True
    return {"scheduler": scheduler}


def _of_metadata(metadata: Mapping[str, str]) -> Sections:
    """Stability's modelspec, kohya's training notes, and configs as LTX Video's files hold them."""
    sections = _sections(_object(metadata.get("config", "")))
    scheduler = sections.setdefault("scheduler", {})
    spec = _PREDICTIONS.get(metadata.get("modelspec.prediction_type", "").lower())
    if spec:
        scheduler["prediction_type"] = spec
    side = metadata.get("modelspec.resolution", "").partition("x")[0]
    if side.isascii() and side.isdecimal() and len(side) < 6:
        for network in ("unet", "transformer"):
            sections.setdefault(network, {})["sample_size"] = int(side) // _CELL
    if metadata.get("ss_zero_terminal_snr", "").lower() == "true":
        scheduler["rescale_betas_zero_snr"] = True
    return sections


def _of_json(path: Path) -> Sections:
    """Other programs keep their notes in a file of this name: only our sections are looked at."""
    try:
        return _sections(json.loads(_read(path)))
    except (ValueError, RecursionError):
        raise ProblemError(f"{path.name}, which stands beside it, is not valid JSON") from None


def _of_yaml(path: Path) -> Sections:
    """The config of the program that the model was trained with, as A1111 takes it."""
    try:
        found = yaml.safe_load(_read(path))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ProblemError(f"{path.name}, which stands beside it, is not valid YAML") from None
    params = _at(found, "model", "params")
    scheduler: dict[str, Any] = {}
    prediction = _PREDICTIONS.get(str(params.get("parameterization")))
    if prediction:
        scheduler["prediction_type"] = prediction
    scaling = _at(params, "denoiser_config", "params", "scaling_config").get("target")
    if isinstance(scaling, str):  # generative-models' way to say it
        scheduler["prediction_type"] = "v_prediction" if "VScaling" in scaling else "epsilon"
    names = {"linear_start": "beta_start", "linear_end": "beta_end"}
    names["timesteps"] = "num_train_timesteps"
    scheduler |= {ours: params[theirs] for theirs, ours in names.items() if _number(params, theirs)}
    heads = _at(params, "unet_config", "params").get("num_heads")
    unet = {"attention_head_dim": heads} if type(heads) is int and heads > 0 else {}
    vae = {"scaling_factor": params["scale_factor"]} if _number(params, "scale_factor") else {}
    return {"scheduler": scheduler, "unet": unet, "vae": vae}


def _sections(found: object) -> Sections:
    if not isinstance(found, dict):
        return {}
    return {part: dict(found[part]) for part in PARTS if isinstance(found.get(part), dict)}


def _at(found: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _number(found: Mapping[str, Any], key: str) -> bool:
    return isinstance(found.get(key), int | float) and not isinstance(found.get(key), bool)


def _object(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _read(path: Path) -> bytes:
    if path.is_symlink():
        raise ProblemError(f"{path.name}, which stands beside it, is a link; it is not read")
    with path.open("rb") as file:
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise ProblemError(f"{path.name}, which stands beside it, is larger than {_MOST} bytes")
    return data

"""A checkpoint of Stable Diffusion 1.5's size with random weights, as a file and as a folder.

What the benchmarks of loading and of speed work with; `quick` makes a tiny one of the same layout.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests import checkpoints, headers
from webui.library import Library

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_PARTS = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
}


def write(folder: Path, held: str, quick: bool) -> None:
    """Into `folder`/checkpoints: "file", "second" (the same one) and "folder", in that dtype."""
    place = folder / "checkpoints"
    if (folder / "done").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    save_file(_tensors(DTYPES[held], quick), place / "file.safetensors", {"format": "pt"})
    os.link(place / "file.safetensors", place / "second.safetensors")
    from_file(folder, DTYPES[held]).save_pretrained(place / "folder")
    (folder / "done").touch()


def quietly() -> None:
    """diffusers and transformers say nothing of progress, nor of the configs that are ours."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    warnings.simplefilter("ignore", FutureWarning)
    for each in (of_diffusers, of_transformers):
        each.disable_progress_bar()
        each.set_verbosity_error()


def from_file(folder: Path, dtype: torch.dtype) -> Any:
    """diffusers' own loader, offline."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_single_file(
        str(folder / "checkpoints" / "file.safetensors"),
        config=str(_configs(folder)),
        local_files_only=True,
        torch_dtype=dtype,
        **_WITHOUT,
    )


def from_folder(folder: Path, dtype: torch.dtype) -> Any:
    """diffusers' own loader, offline."""
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(
        str(folder / "checkpoints" / "folder"),
        local_files_only=True,
        torch_dtype=dtype,
        **_WITHOUT,
    )


_WITHOUT = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def _tensors(dtype: torch.dtype, quick: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    if quick:
        tiny = checkpoints.original(checkpoints.pipeline("sd1"))
        return {
            key: each.to(dtype).contiguous() if each.is_floating_point() else each
            for key, each in tiny.items()
        }
    return {
        key: torch.full(shape, 0.01, dtype=dtype).uniform_(-0.02, 0.02)
        for key, shape in headers.published()["sd1"].items()
        if not key.endswith("position_ids")
    }


def _configs(folder: Path) -> Path:
    """What diffusers' loader needs beside the file: configs as ours, and a tokenizer."""
    place = folder / "configs"
    if place.exists():
        return place
    entry = Library(folder).find("file")
    index = {"_class_name": "StableDiffusionPipeline", **_PARTS}
    index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    for part in _PARTS:
        (place / part).mkdir(parents=True)
        if part == "tokenizer":
            for file in entry.tokenizer.iterdir():
                (place / part / file.name).write_bytes(file.read_bytes())
            continue
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        extra = {"model_type": "clip_text_model"} if part == "text_encoder" else {}
        (place / part / name).write_text(json.dumps({**entry.configs[part], **extra}))
    (place / "model_index.json").write_text(json.dumps(index))
    return place

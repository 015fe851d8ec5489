"""What was trained, as a folder of diffusers' layout in fp16, ready for `models/checkpoints`."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from training import diffusion, networks, vocabulary

LARGEST = 45_000_000  # bytes of weights


def export(folder: Path, data: Path, out: Path) -> int:
    """Writes `out` and returns the bytes of all weights, the tiny decoder's too. Raises ValueError
    if they are more than LARGEST, OSError if a part is not trained yet."""
    pipeline_of: Any = StableDiffusionPipeline
    sampler_of: Any = DPMSolverMultistepScheduler
    pipeline = pipeline_of(
        vae=networks.read(folder, "vae"),
        text_encoder=networks.read(folder, "text_encoder"),
        tokenizer=vocabulary.tokenizer(data / "tokenizer"),
        unet=networks.read(folder, "unet"),
        scheduler=sampler_of(
            beta_start=diffusion.BETA_FIRST,
            beta_end=diffusion.BETA_LAST,
            beta_schedule="scaled_linear",
            steps_offset=1,
            use_karras_sigmas=True,
            prediction_type=diffusion.PREDICTION,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.float16).save_pretrained(str(out), safe_serialization=True)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(data / "tokenizer" / name, out / "tokenizer" / name)
    for path in out.rglob("*config.json"):
        _without_paths(path)
    extra = [path for path in [folder / "tiny.safetensors"] if path.exists()]
    size = sum(path.stat().st_size for path in [*out.rglob("*.safetensors"), *extra])
    if size > LARGEST:
        raise ValueError(f"the weights are {size / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    return size


def _without_paths(path: Path) -> None:
    """Where it was made concerns nobody."""
    config = json.loads(path.read_text("utf-8"))
    for key in ("_name_or_path", "local_files_only", "is_local"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8", newline="\n")

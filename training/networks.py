"""The three networks: made from a preset, or read from a folder.

diffusers and transformers declare no types that hold, so their objects are `Any` by the names
below; what goes in and comes out of them is said where they are called.
"""

from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from training import vocabulary
from training.presets import Preset

Autoencoder: TypeAlias = Any  # diffusers.AutoencoderKL
UNet: TypeAlias = Any  # diffusers.UNet2DConditionModel
TextEncoder: TypeAlias = Any  # transformers.CLIPTextModel

_classes: dict[str, Any] = {
    "vae": AutoencoderKL,
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
}


def autoencoder(preset: Preset) -> Autoencoder:
    return _classes["vae"](**preset.vae())


def unet(preset: Preset) -> UNet:
    return _classes["unet"](**preset.unet())


def text_encoder(preset: Preset) -> TextEncoder:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary.SIZE,
            hidden_size=preset.width,
            intermediate_size=preset.text_hidden,
            num_hidden_layers=preset.text_layers,
            num_attention_heads=4,
            max_position_embeddings=77,
            projection_dim=preset.width,
            bos_token_id=vocabulary.SIZE - 2,
            eos_token_id=vocabulary.SIZE - 1,
            pad_token_id=vocabulary.SIZE - 1,
        )
    )


def read(model: Path, part: str) -> Any:
    """`part`, "vae", "unet" or "text_encoder", of a model's folder, in float32, for use and not for
    training. Raises OSError if it is not there."""
    made = _classes[part].from_pretrained(str(model / part), local_files_only=True).float()
    if part == "vae":
        made = made.to(memory_format=torch.channels_last)
    return made.eval().requires_grad_(False)

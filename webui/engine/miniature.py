"""A Stable Diffusion 1 in miniature, with random weights: a model for tests, made in a second.

It has every part of a real one, so that all of the engine works with it; its pictures are noise.
Its vocabulary is CLIP's alphabet without CLIP's words: each letter is a token.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel

_WIDTH = 32  # of the text's vectors
_SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}


def write(folder: Path) -> None:
    """In diffusers' layout; the same weights each time. Its native size is 64 x 64 pixels."""
    words = _vocabulary()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _keep(_vae(), folder / "vae" / "diffusion_pytorch_model.safetensors")
        _keep(_unet(), folder / "unet" / "diffusion_pytorch_model.safetensors")
        _keep(_text_encoder(len(words)), folder / "text_encoder" / "model.safetensors")
    _json(folder / "scheduler" / "scheduler_config.json", _SCHEDULER)
    _json(folder / "tokenizer" / "vocab.json", words)
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\na n\n", "utf-8")
    _json(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline"})


def _vocabulary() -> dict[str, int]:
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{each}</w>" for each in letters), "an"]
    return {word: id for id, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}


def _vae() -> torch.nn.Module:
    make: Any = AutoencoderKL
    network: torch.nn.Module = make(
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=64,
    )
    return network


def _unet() -> torch.nn.Module:
    make: Any = UNet2DConditionModel
    network: torch.nn.Module = make(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=_WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    return network


def _text_encoder(words: int) -> torch.nn.Module:
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=_WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    return CLIPTextModel(config)


def _keep(network: torch.nn.Module, path: Path) -> None:
    """Weights and configuration."""
    config: Any = network.config
    values = config.to_dict() if isinstance(network, CLIPTextModel) else dict(config)
    values.pop("_use_default_values", None)  # a note of diffusers' to itself
    _json(path.parent / "config.json", values)
    save_file(network.state_dict(), path)


def _json(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), "utf-8")

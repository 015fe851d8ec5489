"""Tensors under the names that diffusers' and transformers' networks have, of checkpoints that
still have those of the programs that trained them.

The tables are diffusers' own (`diffusers.loaders.single_file_utils`); its loader itself goes to the
network where a config is missing, so only what converts is taken from it.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.loaders import single_file_utils

from webui.engine import joint_blocks
from webui.engine.tensors import Tensors, without
from webui.library.shapes import UNET, VAE
from webui.library.structure import ENCODERS, FLOW_CLIP, T5

Config = Mapping[str, Any]


def prefix(family: str, part: str) -> str:
    """What the keys of a part begin with, in a checkpoint of the family."""
    networks = {"unet": UNET, "transformer": UNET, "vae": VAE, "text_encoder_3": T5}
    return {**networks, **ENCODERS[family]}[part]


def unet(tensors: Tensors, config: Config) -> Tensors:
    """Names of diffusers' UNet2DConditionModel."""
    made: Tensors
    made = single_file_utils.convert_ldm_unet_checkpoint(tensors, config)  # type: ignore[no-untyped-call]
    return made


def vae(tensors: Tensors, config: Config) -> Tensors:
    """Names of diffusers' AutoencoderKL; also of one that has them already."""
    plain = without(VAE, tensors)
    if "encoder.down_blocks.0.resnets.0.conv1.weight" in plain:
        return plain
    made: Tensors
    made = single_file_utils.convert_ldm_vae_checkpoint(plain, config)  # type: ignore[no-untyped-call]
    return made


def transformer(tensors: Tensors, config: Config) -> Tensors:
    """Names of diffusers' SD3Transformer2DModel; pieces of what was one are not copied."""
    last, made = int(config["num_layers"]) - 1, {}
    for key, tensor in without(UNET, tensors).items():
        module, _, role = key.rpartition(".")
        if key == "pos_embed":
            made["pos_embed.pos_embed"] = tensor
        for name, piece in joint_blocks.pieces(module, last):
            made[f"{name}.{role}"] = piece.of(tensor)
    return made


def text(tensors: Tensors, before: str) -> Tensors:
    """Names of transformers' CLIPTextModelWithProjection; `before` is the keys' prefix."""
    made: Tensors
    if before.endswith("transformer."):  # transformers' own names
        made = without(before, tensors)
        if before == FLOW_CLIP:  # Stable Diffusion 3 takes the text as a whole as it is
            words = made["text_model.embeddings.token_embedding.weight"]
            made["text_projection.weight"] = torch.eye(words.shape[1])
        return made
    width = tensors[f"{before}token_embedding.weight"].shape[1]
    # all that it asks of a network
    network = SimpleNamespace(config=SimpleNamespace(hidden_size=width))
    made = single_file_utils.convert_open_clip_checkpoint(  # type: ignore[no-untyped-call]
        network, tensors, prefix=before
    )
    return made


def attention_renamed(tensors: Tensors) -> Tensors:
    """A VAE's attention as diffusers calls it since 2023, of files from before."""
    return {
        next((key.replace(old, new) for old, new in _ATTENTION if old in key), key): tensor
        for key, tensor in tensors.items()
    }


_ATTENTION = tuple(
    (f".attentions.0.{old}.", f".attentions.0.{new}.")
    for old, new in (
        ("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0"),
    )
)  # fmt: skip

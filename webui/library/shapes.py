"""Configs from shapes: how large a network is, told by its tensors in the original key layouts.

The layouts are those of CompVis' latent-diffusion, Stability's generative-models and OpenCLIP. What
shapes cannot tell (how many heads, which activation) is not known here.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from math import isqrt
from typing import Any, NamedTuple

from webui.library.problem import ProblemError
from webui.safetensors_header import Header, Shape

UNET = "model.diffusion_model."
VAE = "first_stage_model."
HEAD_WIDTH = 64  # of Stable Diffusion 2's, SDXL's and every CLIP's attention
_GROUPS = 32  # of the norms in UNet and VAE, wherever nothing else is said

Config = dict[str, Any]


_NUMBERED = re.compile(rf"{re.escape(UNET)}joint_blocks\.(\d{{1,4}})\.", re.ASCII)


class _Level(NamedTuple):
    """A resolution of the UNet."""

    channels: int
    blocks: int  # residual blocks, on the way down
    depth: int  # transformer blocks in each attention on the way down; 0: none


def unet(header: Header, prefix: str = UNET) -> Config:
    """As diffusers' UNet2DConditionModel has it. Raises ProblemError."""
    levels = _levels(header, prefix)
    if len({level.blocks for level in levels}) != 1:
        raise ProblemError("the UNet has levels of different lengths, which cannot be used")
    # the way up begins with the last level; each is a block longer than on the way down
    first = [f"{prefix}output_blocks.{at * (levels[0].blocks + 1)}.1." for at in range(len(levels))]
    up = [_depth(header, place) for place in first]
    middle = _depth(header, f"{prefix}middle_block.1.")
    attentions = [key for key in header.tensors if key.startswith(prefix) and ".proj_in.w" in key]
    keys = [key for key in header.tensors if key.startswith(prefix) and "attn2.to_k.weight" in key]
    return {
        "in_channels": _needed(header, f"{prefix}input_blocks.0.0.weight")[1],
        "out_channels": _needed(header, f"{prefix}out.2.weight")[0],
        "block_out_channels": [level.channels for level in levels],
        "layers_per_block": levels[0].blocks,
        "down_block_types": [_block("Down", level.depth) for level in levels],
        "up_block_types": [_block("Up", depth) for depth in up],
        "transformer_layers_per_block": _depths(levels, up[::-1], middle),
        "cross_attention_dim": _needed(header, keys[0])[1],
        "use_linear_projection": len(_needed(header, attentions[0])) == 2,
    }


def _depths(levels: Sequence[_Level], up: Sequence[int], middle: int) -> list[int]:
    """By level. One may have attention on one way only; the middle's stand for the last's."""
    both = list(zip((level.depth for level in levels), up, strict=True))
    if any(down and rising and down != rising for down, rising in both):
        raise ProblemError("the UNet's attentions are not as deep on the way up as down")
    depths = [down or rising or 1 for down, rising in both]
    if middle == 0 or (levels[-1].depth or up[-1] or middle) != middle:
        raise ProblemError("the UNet's middle is not as deep as its last level, as in no family")
    return [*depths[:-1], middle]


def _block(way: str, depth: int) -> str:
    return f"CrossAttn{way}Block2D" if depth else f"{way}Block2D"


def _levels(header: Header, prefix: str) -> list[_Level]:
    blocks: list[list[tuple[int, int]]] = [[]]  # by level: channels, depth
    for number in count(1):
        place = f"{prefix}input_blocks.{number}."
        if f"{place}0.op.weight" in header.tensors:
            blocks.append([])
        elif (shape := header.shape(f"{place}0.in_layers.2.weight")) is not None:
            blocks[-1].append((_first(shape), _depth(header, f"{place}1.")))
        else:
            break
    if not all(len(set(level)) == 1 for level in blocks):
        raise ProblemError("the UNet's blocks are of a build that no family here has")
    return [_Level(level[0][0], len(level), level[0][1]) for level in blocks]


def _depth(header: Header, place: str) -> int:
    return _counted(header, lambda at: f"{place}transformer_blocks.{at}.norm1.weight")


def vae(header: Header, prefix: str = VAE) -> Config:
    """As diffusers' AutoencoderKL has it; of the original keys or of diffusers'."""
    own = f"{prefix}encoder.down_blocks.0.resnets.0.conv1.weight" in header.tensors
    block = "encoder.down_blocks.{}.resnets.{}" if own else "encoder.down.{}.block.{}"

    def key(level: int, at: int) -> str:
        return f"{prefix}{block.format(level, at)}.conv1.weight"

    levels = _counted(header, lambda at: key(at, 0))
    if not levels:
        raise ProblemError("its VAE has no encoder, or is of a build that is not known")
    return {
        "in_channels": _needed(header, f"{prefix}encoder.conv_in.weight")[1],
        "out_channels": _needed(header, f"{prefix}decoder.conv_out.weight")[0],
        "latent_channels": _needed(header, f"{prefix}decoder.conv_in.weight")[1],
        "block_out_channels": [_needed(header, key(at, 0))[0] for at in range(levels)],
        "layers_per_block": _counted(header, lambda at: key(0, at)),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "use_quant_conv": f"{prefix}quant_conv.weight" in header.tensors,
        "use_post_quant_conv": f"{prefix}post_quant_conv.weight" in header.tensors,
    }


def clip(header: Header, prefix: str) -> Config:
    """As transformers' CLIPTextConfig has it; keys as in transformers, in one of two versions."""
    if f"{prefix}text_model.embeddings.token_embedding.weight" in header.tensors:
        prefix = f"{prefix}text_model."
    words = _needed(header, f"{prefix}embeddings.token_embedding.weight")
    layer = f"{prefix}encoder.layers.{{}}.mlp.fc1.weight"
    return _text(
        words,
        _needed(header, f"{prefix}embeddings.position_embedding.weight"),
        _needed(header, layer.format(0)),
        _counted(header, layer.format),
        words[1],
    )


def open_clip(header: Header, prefix: str) -> Config:
    """As transformers' CLIPTextConfig has it, of OpenCLIP's keys."""
    words = _needed(header, f"{prefix}token_embedding.weight")
    layer = f"{prefix}transformer.resblocks.{{}}.mlp.c_fc.weight"
    return _text(
        words,
        _needed(header, f"{prefix}positional_embedding"),
        _needed(header, layer.format(0)),
        _counted(header, layer.format),
        (header.shape(f"{prefix}text_projection") or words)[1],
    )


def transformer(header: Header) -> Config:
    """As diffusers' SD3Transformer2DModel has it. Raises ProblemError."""
    patches = _needed(header, f"{UNET}x_embedder.proj.weight")
    places = _needed(header, f"{UNET}pos_embed")
    if len(patches) != 4 or len(places) != 3 or isqrt(places[1]) ** 2 != places[1]:
        raise ProblemError("its transformer's patches or places are of no known shape")
    block = f"{UNET}joint_blocks.{{}}.x_block.{{}}"
    numbers = {int(found[1]) for key in header.tensors if (found := _NUMBERED.match(key))}
    depth = len(numbers)  # one of them may still be in pieces, which the loader says
    if numbers != set(range(depth)):
        raise ProblemError("its transformer's blocks are not numbered one after the other")
    norm = header.shape(block.format(0, "attn.ln_q.weight"))
    made: Config = {
        "in_channels": patches[1],
        "out_channels": _needed(header, f"{UNET}final_layer.linear.weight")[0] // patches[2] ** 2,
        "patch_size": patches[2],
        "pos_embed_max_size": isqrt(places[1]),
        "num_layers": depth,
        "joint_attention_dim": _needed(header, f"{UNET}context_embedder.weight")[1],
        "caption_projection_dim": _needed(header, f"{UNET}context_embedder.weight")[0],
        "pooled_projection_dim": _needed(header, f"{UNET}y_embedder.mlp.0.weight")[1],
        "qk_norm": "rms_norm" if norm else None,
        "dual_attention_layers": [
            at for at in range(depth) if block.format(at, "attn2.qkv.weight") in header.tensors
        ],
    }
    head = norm[0] if norm and norm[0] else HEAD_WIDTH
    return made | {"attention_head_dim": head, "num_attention_heads": patches[0] // head}


def t5(header: Header, prefix: str) -> Config:
    """As transformers' T5Config has it."""
    layer = f"{prefix}encoder.block.{{}}.layer."
    words = _needed(header, f"{prefix}shared.weight")
    bias = f"{layer.format(0)}0.SelfAttention.relative_attention_bias.weight"
    buckets, heads = _needed(header, bias)[:2]
    return {
        "vocab_size": words[0],
        "d_model": words[1],
        "d_kv": _needed(header, f"{layer.format(0)}0.SelfAttention.q.weight")[0] // heads,
        "d_ff": _needed(header, f"{layer.format(0)}1.DenseReluDense.wi_0.weight")[0],
        "num_layers": _counted(header, lambda at: f"{layer.format(at)}0.SelfAttention.q.weight"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
    }


def _text(words: Shape, places: Shape, inner: Shape, layers: int, projected: int) -> Config:
    return {
        "vocab_size": words[0],
        "hidden_size": words[1],
        "intermediate_size": inner[0],
        "max_position_embeddings": places[0],
        "num_hidden_layers": layers,
        "projection_dim": projected,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    }


def with_heads(part: str, config: Mapping[str, Any]) -> Config:
    """`config`, with as many attention heads as published models of its kind have.

    Raises ProblemError where neither fits and the config does not say.
    """
    made = dict(config)
    if part in ("transformer", "text_encoder_3"):  # their shapes say it, or the family does
        return made
    if part.startswith("text_encoder"):
        if "num_attention_heads" not in made:
            made["num_attention_heads"] = _heads(part, made["hidden_size"])
        return made
    channels = made["block_out_channels"]
    if made.setdefault("norm_num_groups", _GROUPS) and channels[0] % made["norm_num_groups"]:
        raise ProblemError(f"{part}: {channels[0]} channels are no multiple of {_GROUPS}; {_SAY}")
    if part == "unet" and "attention_head_dim" not in made:  # diffusers' word for how many
        made["attention_head_dim"] = [_heads(part, width) for width in channels]
    return made


_SAY = "say in a config beside the file how many heads and groups it has (docs/models.md)"


def _heads(part: str, width: int) -> int:
    if width % HEAD_WIDTH or width == 0:
        raise ProblemError(f"{part}: {width} is no multiple of {HEAD_WIDTH}; {_SAY}")
    return width // HEAD_WIDTH


def _counted(header: Header, key: Any) -> int:
    """How many there are of keys that count from 0."""
    return sum(1 for _ in takewhile(lambda at: key(at) in header.tensors, count()))


def _needed(header: Header, key: str) -> Shape:
    """Of two dimensions at least."""
    shape = header.shape(key)
    if shape is None:
        raise ProblemError(f"{key} is missing in it")
    if len(shape) < 2 or 0 in shape:
        raise ProblemError(f"{key} is of the shape {list(shape)}, which cannot be")
    return shape


def _first(shape: Shape) -> int:
    return shape[0] if shape else 0

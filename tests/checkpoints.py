"""Tiny models of every family, of diffusers' own classes, and their weights under original keys.

The names are written from the programs that trained the models (CompVis' latent-diffusion,
Stability's generative-models, OpenCLIP), not from diffusers' tables, which the product uses.
"""

import re
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

TOKENIZER = Path(__file__).parents[1] / "models" / "checkpoints" / "fluent-emoji" / "tokenizer"
FAMILIES = ("sd1", "sd2", "sdxl", "refiner")
LEVELS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_SCALES = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025, "refiner": 0.13025}


def pipeline(family: str, **scheduler: object):
    """With random weights, the same each time, strong enough that each text can be seen."""
    torch.manual_seed(FAMILIES.index(family))
    parts = {
        "vae": _vae(_SCALES[family]),
        "unet": _unet(family),
        "scheduler": _scheduler(family, scheduler),
    }
    if family in ("sd1", "sd2"):
        kind = StableDiffusionPipeline
        parts |= {"text_encoder": _text("quick_gelu" if family == "sd1" else "gelu", False)}
        parts |= {"tokenizer": _tokenizer("<|endoftext|>" if family == "sd1" else "!")}
        parts |= {"safety_checker": None, "feature_extractor": None}
        parts |= {"requires_safety_checker": False}
    else:
        kind = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionXLImg2ImgPipeline
        first = family == "sdxl"
        parts |= {
            "text_encoder": _text("quick_gelu", False) if first else None,
            "tokenizer": _tokenizer("<|endoftext|>") if first else None,
            "text_encoder_2": _text("gelu", True),
            "tokenizer_2": _tokenizer("!"),
        }
        if not first:
            parts |= {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False}
    made = kind(**parts)
    made.set_progress_bar_config(disable=True)
    return made


def stable_diffusion_3(*, t5=True, shift=3.0):
    """A pipeline of Stable Diffusion 3.5's parts: norms of queries and keys, double attention in
    the first block, 16 channels with a shift; T5 reads words of its own."""
    torch.manual_seed(7)
    made = StableDiffusion3Pipeline(
        transformer=_transformer(),
        vae=_vae(1.5305, latent_channels=16, shift_factor=0.0609, use_quant_conv=False,
                 use_post_quant_conv=False),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        text_encoder=_text("quick_gelu", True),
        tokenizer=_tokenizer("<|endoftext|>"),
        text_encoder_2=_text("gelu", True),
        tokenizer_2=_tokenizer("!"),
        text_encoder_3=_t5() if t5 else None,
        tokenizer_3=_t5_tokenizer() if t5 else None,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def _transformer():
    made = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=16,
        num_attention_heads=4, joint_attention_dim=192, caption_projection_dim=64,
        pooled_projection_dim=128, out_channels=16, pos_embed_max_size=24,
        dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.ndim > 1 and any(each in name for each in ("context", "add_", "text_emb")):
                parameter.mul_(3)
        made.pos_embed.pos_embed.mul_(1.5)  # what was saved counts, not what could be computed
    return made


def _t5():
    torch.manual_seed(8)
    config = T5Config(
        vocab_size=64, d_model=192, d_kv=16, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    made = T5EncoderModel(config).eval()
    with torch.no_grad():
        made.shared.weight.mul_(3)
    return made


def _t5_tokenizer():
    words = ("a", "red", "apple", "blue", "cat", "dog", "the", "on")
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(f"▁{word}", -3.0) for word in words] + [("▁", -4.0)]
    vocab += [(each, -6.0) for each in "abcdefghijklmnopqrstuvwxyz,.0123456789()"]
    return T5Tokenizer(vocab=vocab, extra_ids=0)


def _scheduler(family, values):
    if family in ("sd1", "sd2"):
        values = {"prediction_type": "v_prediction" if family == "sd2" else "epsilon"} | values
        return DDIMScheduler(
            **LEVELS, clip_sample=False, set_alpha_to_one=False, steps_offset=1, **values
        )
    return EulerDiscreteScheduler(**LEVELS, **values)


def _tokenizer(padding):
    return CLIPTokenizer.from_pretrained(str(TOKENIZER), pad_token=padding)


def _vae(scale, **values):
    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=64,
        scaling_factor=scale,
        **({"latent_channels": 4} | values),
    )


def _text(activation, projected):
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=64, intermediate_size=128, num_hidden_layers=3,
        num_attention_heads=1, projection_dim=64, hidden_act=activation, bos_token_id=49406,
        eos_token_id=49407,
    )  # fmt: skip
    return _stronger((CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval())


def _unet(family):
    own = {
        "sd1": {"attention_head_dim": 8},
        "sd2": {"attention_head_dim": [1, 2], "use_linear_projection": True},
        "sdxl": {
            "attention_head_dim": [1, 2], "use_linear_projection": True,
            "transformer_layers_per_block": [1, 2], "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64 + 6 * 8,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        },
        "refiner": {
            "attention_head_dim": [1, 2], "use_linear_projection": True,
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 64 + 5 * 8,
        },
    }[family]  # fmt: skip
    values = {
        "sample_size": 8,
        "block_out_channels": (64, 128),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 128 if family == "sdxl" else 64,
    }
    return _stronger(UNet2DConditionModel(**(values | own)))


@torch.no_grad()
def _stronger(network):
    """Random networks look at texts and sizes faintly; this one does not."""
    for name, parameter in network.named_parameters():
        if any(part in name for part in ("attn2.to_v", "attn2.to_out", "add_embedding")):
            parameter.mul_(4)
        elif parameter.ndim > 1 and "embeddings" in name:
            parameter.mul_(20)
    return network


# --- the original keys --------------------------------------------------------------------------


def original(pipe, *, vae=True) -> dict[str, torch.Tensor]:
    """All weights of a pipeline, as its family's checkpoints have them."""
    tensors = {f"model.diffusion_model.{key}": each for key, each in unet_keys(pipe.unet).items()}
    if vae:
        tensors |= {f"first_stage_model.{key}": each for key, each in vae_keys(pipe.vae).items()}
    first, second = pipe.text_encoder, getattr(pipe, "text_encoder_2", None)
    if second is not None:
        place = 1 if first is not None else 0
        tensors |= open_clip_keys(second, f"conditioner.embedders.{place}.model.")
        if first is not None:
            tensors |= clip_keys(first, "conditioner.embedders.0.transformer.")
    elif first.config.hidden_act == "gelu":
        tensors |= open_clip_keys(first, "cond_stage_model.model.", last_layer=True)
    else:
        tensors |= clip_keys(first, "cond_stage_model.transformer.")
    return tensors


def write(path: Path, tensors, metadata=None, dtype=torch.float32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = {
        key: (each.to(dtype) if each.is_floating_point() else each).contiguous().clone()
        for key, each in tensors.items()
    }
    save_file(saved, path, metadata or {"format": "pt"})
    return path


def joint(pipe, *, texts=True, vae=True) -> dict[str, torch.Tensor]:
    """All weights of a pipeline of Stable Diffusion 3, as Stability's and ComfyUI's files have them
    (mmdit.py of Stability's sd3.5); without its texts as Stability's largest files are."""
    tensors = joint_keys(pipe.transformer.state_dict())
    tensors = {f"model.diffusion_model.{key}": each for key, each in tensors.items()}
    if vae:
        tensors |= {f"first_stage_model.{key}": each for key, each in vae_keys(pipe.vae).items()}
    names = {"clip_l": pipe.text_encoder, "clip_g": pipe.text_encoder_2}
    for name, network in (names | {"t5xxl": pipe.text_encoder_3}).items() if texts else ():
        for key, each in network.state_dict().items() if network is not None else ():
            if key not in ("encoder.embed_tokens.weight", "text_projection.weight") or (
                name == "clip_g" and key == "text_projection.weight"
            ):
                tensors[f"text_encoders.{name}.transformer.{key}"] = each
    return tensors


_JOINT = {  # a block's parts: diffusers' -> Stability's
    "attn.to_out.0": "x_block.attn.proj", "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q", "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q", "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj", "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k", "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1", "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2", "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}  # fmt: skip
_JOINT_ALONE = {
    "pos_embed.proj": "x_embedder.proj", "proj_out": "final_layer.linear",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "norm_out.linear": "final_layer.adaLN_modulation.1", "context_embedder": "context_embedder",
}  # fmt: skip
_FUSED = {
    "attn.to_q": "x_block.attn.qkv", "attn2.to_q": "x_block.attn2.qkv",
    "attn.add_q_proj": "context_block.attn.qkv",
}  # fmt: skip


def joint_keys(state) -> dict[str, torch.Tensor]:
    """Of a transformer's weights, or of changes of them: one by one, or as rows of one matrix."""
    made = {}
    blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("transformer_"))
    for key, each in state.items():
        module, _, role = key.rpartition(".")
        if module in _JOINT_ALONE:
            swapped = module == "norm_out.linear"
            made[f"{_JOINT_ALONE[module]}.{role}"] = _halves_swapped(each) if swapped else each
        elif key == "pos_embed.pos_embed":
            made["pos_embed"] = each
        elif match := re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)", module):
            place, name = f"joint_blocks.{match[1]}.", match[2]
            last = name == "norm1_context.linear" and int(match[1]) == blocks - 1
            if name in _FUSED:
                three = [key.replace("_q", f"_{letter}") for letter in "qkv"]
                made[f"{place}{_FUSED[name]}.{role}"] = torch.cat([state[each] for each in three])
            elif name in _JOINT:
                made[f"{place}{_JOINT[name]}.{role}"] = _halves_swapped(each) if last else each
    return made


def _halves_swapped(tensor):
    """Scale and shift as diffusers has them, turned to shift and scale."""
    half = len(tensor) // 2
    return torch.cat([tensor[half:], tensor[:half]])


_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip


def unet_keys(unet):
    blocks = unet.config.layers_per_block
    with_attention = {
        number: "CrossAttn" in kind for number, kind in enumerate(unet.config.up_block_types)
    }

    def renamed(key):
        for old, new in _UNET.items():
            if key.startswith(old + "."):
                return key.replace(old, new, 1)
        match key.split("."):
            case ["mid_block", kind, at, *rest]:
                place = {("resnets", "0"): 0, ("attentions", "0"): 1, ("resnets", "1"): 2}
                return f"middle_block.{place[kind, at]}.{_inner(kind, rest)}"
            case ["down_blocks", level, "downsamplers", "0", "conv", end]:
                return f"input_blocks.{(int(level) + 1) * (blocks + 1)}.0.op.{end}"
            case ["down_blocks", level, kind, at, *rest]:
                number = 1 + int(level) * (blocks + 1) + int(at)
                return f"input_blocks.{number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"
            case ["up_blocks", level, "upsamplers", "0", "conv", end]:
                number = int(level) * (blocks + 1) + blocks
                return f"output_blocks.{number}.{1 + with_attention[int(level)]}.conv.{end}"
            case ["up_blocks", level, kind, at, *rest]:
                number = int(level) * (blocks + 1) + int(at)
                return f"output_blocks.{number}.{int(kind == 'attentions')}.{_inner(kind, rest)}"
        raise AssertionError(key)

    return {renamed(key): each for key, each in unet.state_dict().items()}


def _inner(kind, rest):
    if kind == "attentions":
        return ".".join(rest)
    return ".".join([_RESNET[rest[0]], *rest[1:]])


_VAE_ATTENTION = {
    "group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
}  # fmt: skip


def vae_keys(vae):
    levels = len(vae.config.block_out_channels)
    made = {}
    for key, each in vae.state_dict().items():
        name = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        for old, new in (("resnets", "block"), ("upsamplers.0", "upsample")):
            name = re.sub(
                rf"up_blocks\.(\d+)\.{re.escape(old)}",
                lambda found, new=new: f"up.{levels - 1 - int(found[1])}.{new}",
                name,
            )
        name = re.sub(
            r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name
        )
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            for old, new in _VAE_ATTENTION.items():
                name = name.replace(f".{old}.", f".{new}.")
            if each.ndim == 2:  # there they are convolutions
                each = each[:, :, None, None]
        made[name] = each
    return made


def clip_keys(network, prefix):
    made = {f"{prefix}text_model.{key}": each for key, each in network.state_dict().items()}
    made[f"{prefix}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    return made


def open_clip_keys(network, prefix, last_layer=False):
    """With `last_layer` there is one more, which Stable Diffusion 2 was not trained with."""
    state = {key.removeprefix("text_model."): each for key, each in network.state_dict().items()}
    layers = network.config.num_hidden_layers
    width = network.config.hidden_size
    made = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": state.get("text_projection.weight", torch.randn(width, width)).T,
        "logit_scale": torch.tensor(4.6),
    }
    for number in range(layers + last_layer):
        place = f"encoder.layers.{min(number, layers - 1)}."
        layer = {key.removeprefix(place): state[key] for key in state if key.startswith(place)}
        if number == layers:
            layer = {key: torch.randn_like(each) for key, each in layer.items()}
        new = f"transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            three = [layer[f"self_attn.{each}_proj.{kind}"] for each in "qkv"]
            made[f"{new}attn.in_proj_{kind}"] = torch.cat(three)
            made[f"{new}attn.out_proj.{kind}"] = layer[f"self_attn.out_proj.{kind}"]
            made[f"{new}ln_1.{kind}"] = layer[f"layer_norm1.{kind}"]
            made[f"{new}ln_2.{kind}"] = layer[f"layer_norm2.{kind}"]
            made[f"{new}mlp.c_fc.{kind}"] = layer[f"mlp.fc1.{kind}"]
            made[f"{new}mlp.c_proj.{kind}"] = layer[f"mlp.fc2.{kind}"]
    return {prefix + key: each for key, each in made.items()}

"""What a safetensors file is, told by which keys it has; never by how wide anything is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from webui.library.shapes import UNET, VAE
from webui.safetensors_header import Header

# what a file is -> how an entry calls it, and where such files belong
KINDS = {
    "checkpoint": "a checkpoint",
    "lora": "a LoRA",
    "embedding": "an embedding",
    "vae": "a VAE alone",
    "unet": "a UNet alone",
    "text encoder": "a text encoder alone",
    "upscaler": "an upscaler",
    "controlnet": "a ControlNet",
    "motion module": "a motion module",
    "tiny vae": "a tiny VAE for previews",
    "unknown": "nothing that is known",
}
FOLDERS = {
    "checkpoint": "checkpoints/",
    "lora": "Lora/",
    "embedding": "embeddings/",
    "vae": "VAE/",
    "upscaler": "ESRGAN/",
}

_LORA = re.compile(
    r"\.(lora_[AB]|lora_up|lora_down|lora\.up|lora\.down|hada_w[12]_[ab]|lokr_w[12](_[ab])?|oft_blocks)\b"
    r"|^(lora_(unet|te|transformer)|lycoris_)"
)
_IN_LORA = ("lora", "hada_", "lokr_", "oft_", "lycoris_")  # one of these is in all that fits
_OTHERS = {  # what stands behind the prefix -> a kind of model that is not built here
    "double_blocks.": "Flux",
    "double_layers.": "AuraFlow",
    "transformer_blocks.0.attn.add_": "Qwen-Image",
    "noise_refiner.": "Lumina or Z-Image",
    "blocks.0.self_attn.": "Wan",
    "layers.0.attention.": "Lumina or Z-Image",
}
BARE = "Stable Diffusion 3 without its text encoders"
JOINT = f"{UNET}joint_blocks."  # only its transformer has these
CLIP = "cond_stage_model.transformer."
OPEN_CLIP = "cond_stage_model.model."
FIRST_CLIP = "conditioner.embedders.0.transformer."
FIRST_OPEN_CLIP = "conditioner.embedders.0.model."
SECOND_OPEN_CLIP = "conditioner.embedders.1.model."
FLOW_CLIP = "text_encoders.clip_l.transformer."
FLOW_OPEN_CLIP = "text_encoders.clip_g.transformer."
T5 = "text_encoders.t5xxl.transformer."

# family -> part -> the prefix of its text encoders' keys
ENCODERS = {
    "sd1": {"text_encoder": CLIP},
    "sd2": {"text_encoder": OPEN_CLIP},
    "sdxl": {"text_encoder": FIRST_CLIP, "text_encoder_2": SECOND_OPEN_CLIP},
    "refiner": {"text_encoder_2": FIRST_OPEN_CLIP},
    "sd3": {"text_encoder": FLOW_CLIP, "text_encoder_2": FLOW_OPEN_CLIP},  # beside T5
}
NETWORKS = {"sd3": "transformer"}  # what denoises, where it is no "unet"


@dataclass(frozen=True, slots=True)
class Structure:
    kind: str  # one of KINDS
    family: str = ""  # of a checkpoint that can be used
    other: str = ""  # the name of a kind of model that cannot


def structure(header: Header) -> Structure:
    """What the file is."""
    keys = header.tensors.keys()
    whole = "\n".join(keys)  # looked through at once: a checkpoint has thousands
    if any(each in whole for each in _IN_LORA) and any(_LORA.search(key) for key in keys):
        return Structure("lora")
    if any(key.startswith(UNET) for key in keys):
        return _checkpoint(header)
    return Structure(_part(keys))


def _checkpoint(header: Header) -> Structure:
    keys = header.tensors.keys()
    others = tuple(UNET + behind for behind in _OTHERS)
    if found := next((key for key in keys if key.startswith(others)), None):
        named = (name for behind, name in _OTHERS.items() if found.startswith(UNET + behind))
        return Structure("checkpoint", other=next(named))
    sized = f"{UNET}label_emb.0.0.weight" in keys
    if any(mark in keys for mark in ("edm_mean", "edm_std")):
        return Structure("checkpoint", other="Playground 2.5")
    if f"{UNET}label_emb.weight" in keys:
        return Structure("checkpoint", other="an upscaling model")
    prefixes = {prefix for each in ENCODERS.values() for prefix in each.values()}
    there = {prefix for prefix in prefixes if any(key.startswith(prefix) for key in keys)}
    flow = any(key.startswith(JOINT) for key in keys)
    for family, encoders in ENCODERS.items():
        if there == set(encoders.values()) and flow == (family == "sd3"):
            if sized != (family in ("sdxl", "refiner")):
                return Structure("checkpoint", other="an unCLIP or another variant")
            return Structure("checkpoint", family)
    if flow:
        return Structure("checkpoint", other=BARE)
    return Structure("checkpoint" if there else "unet")


def _part(keys: Iterable[str]) -> str:
    """Of a file that is no whole checkpoint."""
    known = set(keys)

    def begins(*prefixes: str) -> bool:
        return any(key.startswith(prefixes) for key in known)

    kinds = (
        ("controlnet", begins("control_model.", "controlnet_", "input_hint_block.")),
        ("motion module", any("motion_modules." in key for key in known)),
        ("embedding", "emb_params" in known or begins("string_to_param")),
        ("embedding", known <= {"clip_l", "clip_g"} and bool(known)),
        ("embedding", len(known) == 1 and "." not in next(iter(known))),
        ("unet", begins("input_blocks.", "down_blocks.", "joint_blocks.", "double_blocks.")),
        ("vae", begins(VAE) or {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= known),
        ("tiny vae", begins("decoder.layers.", "encoder.layers.", "decoder.1.conv.")),
        ("tiny vae", {"1.weight", "1.bias", "3.conv.0.weight"} <= known),
        ("upscaler", begins("conv_first.", "model.1.sub.", "RRDB_trunk.", "body.0.rdb1.")),
        ("upscaler", {"model.0.weight", "model.0.bias"} <= known),
        ("text encoder", begins("text_model.", "text_model_", "transformer.resblocks.")),
        ("text encoder", begins("encoder.block.0.layer.", "model.embed_tokens.")),
    )
    return next((kind for kind, fits in kinds if fits), "unknown")


def mistaken(header: Header, wanted: str) -> str | None:
    """That a file is no `wanted` (one of KINDS) but something else that is known, and where such
    files belong; None if it is one, or nothing that is known."""
    kind = structure(header).kind
    if kind in (wanted, "unknown"):
        return None
    place = FOLDERS.get(kind)
    meant = KINDS[wanted].removesuffix(" alone")
    return f"{KINDS[kind]}, not {meant}" + (f"; it belongs into {place}" if place else "")

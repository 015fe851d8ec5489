"""A model's folder as one file, under the names that the first Stable Diffusion was saved with.

    python -m training.original_layout FOLDER FILE.safetensors

Written from the programs that trained Stable Diffusion 1 (CompVis' latent-diffusion). What such a
file does not tell, as all models of that size are one, is written beside it, in FILE.json: heads of
attention, groups of normalisation, the size of a latent.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

_PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v"}  # the latter as modelspec says it
_UNET_BLOCK = {  # of a residual block
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
}
_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def write(folder: Path, file: Path) -> None:
    """Raises FileNotFoundError if a part is missing, KeyError for a name that it does not know."""
    unet_config = _config(folder, "unet")
    vae_config = _config(folder, "vae")
    blocks, levels = unet_config["layers_per_block"], len(vae_config["block_out_channels"])
    unet, vae, text = (_weights(folder, part) for part in ("unet", "vae", "text_encoder"))
    attends = [kind.startswith("CrossAttn") for kind in unet_config["up_block_types"]]
    made = {
        f"model.diffusion_model.{unet_name(key, blocks, attends)}": weight
        for key, weight in unet.items()
    }
    for key, weight in vae.items():
        name = vae_name(key, levels)
        flat = weight.ndim == 2 and ".attn_1." in name  # its projections are convolutions there
        made[f"first_stage_model.{name}"] = weight[..., None, None] if flat else weight
    for key, weight in text.items():
        bare = key.removeprefix("text_model.")
        made[f"cond_stage_model.transformer.text_model.{bare}"] = weight
    prediction = _config(folder, "scheduler")["prediction_type"]
    said = {"format": "pt", "modelspec.prediction_type": _PREDICTIONS[prediction]}
    save_file({key: made[key].contiguous() for key in sorted(made)}, file, said)
    told = {
        "unet": {key: unet_config[key] for key in ("attention_head_dim", "norm_num_groups")},
        "vae": {key: vae_config[key] for key in ("scaling_factor", "norm_num_groups")},
        "text_encoder": {
            "num_attention_heads": _config(folder, "text_encoder")["num_attention_heads"]
        },
    }
    beside = folder.with_name(f"{folder.name}.json")
    words = json.loads(beside.read_text("utf-8")) if beside.is_file() else {}
    content = json.dumps({**words, **told}, indent=1, ensure_ascii=False) + "\n"
    file.with_suffix(".json").write_text(content, "utf-8", newline="\n")


def unet_name(key: str, blocks: int, attends: Sequence[bool]) -> str:
    """The first program's name for diffusers' `key`, of a UNet with so many residual blocks a
    level, and with attention on these levels on the way up."""
    end, _, last = key.rpartition(".")
    if end in _UNET_ENDS:
        return f"{_UNET_ENDS[end]}.{last}"
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", key)
    if found is None:
        middle = re.match(r"mid_block\.(\w+)\.(\d+)\.(.+)", key)
        if middle is None:
            raise KeyError(key)
        kind, number, rest = middle[1], int(middle[2]), middle[3]
        place = 1 if kind == "attentions" else 2 * number
        return f"middle_block.{place}.{_within(kind, rest)}"
    way, level, kind, number, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    each = blocks + 1
    if way == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * each}.0.{rest.replace('conv', 'op', 1)}"
        return f"input_blocks.{level * each + number + 1}.{_place(kind)}.{_within(kind, rest)}"
    if kind == "upsamplers":
        return f"output_blocks.{level * each + blocks}.{1 + attends[level]}.{rest}"
    return f"output_blocks.{level * each + number}.{_place(kind)}.{_within(kind, rest)}"


def vae_name(key: str, levels: int) -> str:
    """The same for the autoencoder of so many sizes."""
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    middle = re.match(r"(\w+)\.mid_block\.(\w+)\.(\d+)\.(.+)", key)
    if middle is not None:
        if middle[2] == "resnets":
            return f"{middle[1]}.mid.block_{int(middle[3]) + 1}.{middle[4]}"
        part, _, last = middle[4].rpartition(".")
        return f"{middle[1]}.mid.attn_1.{_VAE_ATTENTION[part]}.{last}"
    found = re.match(r"(\w+)\.(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", key)
    if found is None:
        return key
    level = int(found[3]) if found[2] == "down" else levels - 1 - int(found[3])
    if found[4] == "resnets":
        return f"{found[1]}.{found[2]}.{level}.block.{found[5]}.{found[6]}"
    return f"{found[1]}.{found[2]}.{level}.{found[2]}sample.{found[6]}"


def _place(kind: str) -> int:
    return 1 if kind == "attentions" else 0


def _within(kind: str, rest: str) -> str:
    if kind != "resnets":
        return rest
    part, _, last = rest.rpartition(".")
    return f"{_UNET_BLOCK[part]}.{last}"


def _weights(folder: Path, part: str) -> dict[str, Tensor]:
    found = sorted((folder / part).glob("*.safetensors"))
    if not found:
        raise FileNotFoundError(f"{folder / part} has no weights")
    return load_file(found[0])


def _config(folder: Path, part: str) -> dict[str, Any]:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    config: dict[str, Any] = json.loads((folder / part / name).read_text("utf-8"))
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.file)


if __name__ == "__main__":
    main()

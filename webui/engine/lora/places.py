"""A network's modules by the names that LoRA files have for them.

A file may change several modules of Stable Diffusion 3's transformer as one matrix, as its authors
have them.
Kohya's scripts name a Stable Diffusion 1 or 2 UNet's modules as diffusers does, and an SDXL one's
as the program that it was published with; points are underscores. Both are known for every UNet.
"""

import re
from collections.abc import Mapping, Sequence

from torch import nn

from webui.engine.joint_blocks import Rows, originals, pieces

Module = nn.Linear | nn.Conv2d

_RESNET = {
    "conv1": "in_layers_2", "conv2": "out_layers_3", "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_ALONE = {
    "conv_in": "input_blocks_0_0", "conv_out": "out_2",
    "time_embedding.linear_1": "time_embed_0", "time_embedding.linear_2": "time_embed_2",
    "add_embedding.linear_1": "label_emb_0_0", "add_embedding.linear_2": "label_emb_0_2",
}  # fmt: skip
_PLACE = re.compile(r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.+)")


def places(network: nn.Module) -> dict[str, Module]:
    """All that a LoRA can change: matrices and plain convolutions."""
    found: dict[str, Module] = {}
    modules = dict(network.named_modules())
    for name, module in modules.items():
        plain = isinstance(module, nn.Conv2d) and module.groups == 1
        if isinstance(module, nn.Linear) or plain:
            original = _original(name, modules)
            for each in (name.removeprefix("text_model."), original):
                if each:
                    found[each.replace(".", "_")] = module
    return found


def pieced(network: nn.Module) -> dict[str, Sequence[tuple[Module, Rows]]]:
    """Those of a Stable Diffusion 3 transformer by its authors' names, each with the rows of the
    change that are its own; of other networks none."""
    blocks = getattr(network, "transformer_blocks", None)
    if blocks is None:
        return {}
    modules = dict(network.named_modules())
    found: dict[str, Sequence[tuple[Module, Rows]]] = {}
    for original in originals(len(blocks)):
        named = [(modules.get(name), rows) for name, rows in pieces(original, len(blocks) - 1)]
        those = [(each, rows) for each, rows in named if isinstance(each, nn.Linear | nn.Conv2d)]
        if those:
            found[original.replace(".", "_")] = those
    return found


def _original(name: str, modules: Mapping[str, nn.Module]) -> str:
    """As CompVis' and Stability's code numbers a UNet's blocks; "" for what is no part of one."""
    if name in _ALONE:
        return _ALONE[name]
    match = _PLACE.fullmatch(name)
    if match is None:
        return ""
    way, block, kind, at, rest = match[1], int(match[2] or 0), match[3], int(match[4]), match[5]
    inner = _RESNET.get(rest, rest) if kind == "resnets" else rest
    if way == "mid":
        return f"middle_block_{1 if kind == 'attentions' else 2 * at}_{inner}"
    side = sum(f"{way}_blocks.{block}.resnets.{number}" in modules for number in range(16))
    if way == "down":
        number = 1 + block * (side + 1) + at
        if kind == "downsamplers":
            return f"input_blocks_{(block + 1) * (side + 1)}_0_op"
        return f"input_blocks_{number}_{int(kind == 'attentions')}_{inner}"
    if kind == "upsamplers":
        attended = f"up_blocks.{block}.attentions" in modules
        return f"output_blocks_{(block + 1) * side - 1}_{1 + attended}_conv"
    return f"output_blocks_{block * side + at}_{int(kind == 'attentions')}_{inner}"

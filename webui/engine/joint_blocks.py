"""Stable Diffusion 3's transformer: what its authors call its modules, and diffusers.

The authors' queries, keys and values are one matrix, and where only a shift and a scale are told
of, the shift stands first; in diffusers' network they are three, and the scale stands first.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Rows(NamedTuple):
    """Which rows of an original matrix are one of diffusers'."""

    at: int = 0
    parts: int = 1  # as large as each other
    swapped: bool = False  # the second half first

    def of(self, tensor: Tensor) -> Tensor:
        """(parts * n, ...) -> (n, ...); no copy unless they are swapped."""
        if self.swapped:
            return torch.cat(tensor.chunk(2)[::-1])
        return tensor.chunk(self.parts)[self.at]


ALL = Rows()
_ALONE = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder",
    "final_layer.linear": "proj_out",
}
_FINAL = "final_layer.adaLN_modulation.1"
_IN_BLOCK = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn.ln_q": ("attn.norm_q",),
    "x_block.attn.ln_k": ("attn.norm_k",),
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block.attn2.ln_q": ("attn2.norm_q",),
    "x_block.attn2.ln_k": ("attn2.norm_k",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "context_block.attn.ln_q": ("attn.norm_added_q",),
    "context_block.attn.ln_k": ("attn.norm_added_k",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
}
_BLOCK = re.compile(r"joint_blocks\.(\d+)\.(.+)", re.ASCII)


def pieces(module: str, last: int) -> Iterator[tuple[str, Rows]]:
    """(diffusers' module, its rows) of one of the authors'; none of one that is not known. `last`
    is the number of the last block, after which nothing looks at the texts."""
    if module == _FINAL:
        yield "norm_out.linear", Rows(swapped=True)
    elif module in _ALONE:
        yield _ALONE[module], ALL
    elif match := _BLOCK.fullmatch(module):
        names = _IN_BLOCK.get(match[2], ())
        swapped = match[2] == "context_block.adaLN_modulation.1" and int(match[1]) == last
        for at, name in enumerate(names):
            yield f"transformer_blocks.{int(match[1])}.{name}", Rows(at, len(names), swapped)


def originals(blocks: int) -> Iterator[str]:
    """The authors' modules, of a transformer with so many blocks."""
    yield from (*_ALONE, _FINAL)
    for number in range(blocks):
        yield from (f"joint_blocks.{number}.{name}" for name in _IN_BLOCK)

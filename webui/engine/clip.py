"""CLIP's text transformer, as Stable Diffusion's families use it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from webui.errors import ModelRefused
from webui.interfaces import Conditioning

PLACES = 77  # of a window: begin, at most 75 tokens, end and padding


@dataclass(frozen=True, slots=True)
class Specials:
    """The ids of the tokens that stand around a text."""

    begin: int
    end: int
    padding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a family takes of the transformer."""

    layer: int = 1  # the last one that counts where nothing else is asked for, from the end
    left_out: int = 0  # how many layers from the end the network does not have at all
    normed: bool = True  # whether the last norm is taken of it
    pooled: bool = False  # whether the text as a whole is wanted too


class ClipTextEncoder:
    """A `TextEncoder`. With nothing replaced it makes the very call that transformers documents."""

    def __init__(self, name: str, specials: Specials, network: Any, use: Use = Use()) -> None:
        """Raises ValueError if the special tokens and the network do not fit together."""
        self.name = name
        self._network = network
        self._use = use
        self._body = getattr(network, "text_model", network)
        self._table: nn.Embedding = self._body.embeddings.token_embedding
        positions = network.config.max_position_embeddings
        if positions < PLACES:
            raise ValueError(f"it sees {positions} tokens at once; {PLACES} are needed")
        if not self.layers:
            raise ValueError("it has no layers")
        self._specials = specials
        for kind, token in (("bos", specials.begin), ("eos", specials.end),
                            ("pad", specials.padding)):  # fmt: skip
            if not isinstance(token, int) or not 0 <= token < self._table.num_embeddings:
                raise ValueError(f"its tokenizer has no {kind} token that is in its table")

    @property
    def network(self) -> Any:
        return self._network

    @property
    def width(self) -> int:
        return int(self._table.embedding_dim)

    @property
    def layers(self) -> int:
        there = int(self._network.config.num_hidden_layers)
        return there + self._use.left_out if there else 0

    def vectors(self, ids: Sequence[int]) -> Tensor:
        return self._table.weight[self._tensor(ids)]

    def encode(
        self, ids: Sequence[int], replaced: Mapping[int, Tensor], clip_skip: int = 1
    ) -> Conditioning:
        specials, use = self._specials, self._use
        padding = [specials.padding] * (PLACES - 2 - len(ids))
        tokens = self._tensor([specials.begin, *ids, specials.end, *padding])[None]
        # families that were trained on an earlier layer call that one the first, as in A1111
        layer = max(clip_skip, use.layer) - use.left_out
        with _replacing(self._table, {place + 1: replaced[place] for place in replaced}):
            if layer == 1 and use.normed and not use.pooled:
                return Conditioning(self._network(tokens)[0])
            made = self._network(tokens, output_hidden_states=True)
        # what the layers after it would have seen, brought to the scale that the network knows
        hidden = made.hidden_states[-layer]
        context = self._body.final_layer_norm(hidden) if use.normed else hidden
        return Conditioning(context, made.text_embeds if use.pooled else None)

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        """On a GPU an id beyond the table would take the whole process down."""
        most = self._table.num_embeddings
        if wrong := [each for each in ids if not 0 <= each < most]:
            raise ModelRefused(
                f"its tokenizer gives the token {wrong[0]}, and its text encoder knows {most}"
            )
        return torch.tensor(ids, dtype=torch.long, device=self._table.weight.device)


@contextmanager
def _replacing(table: nn.Embedding, vectors: Mapping[int, Tensor]) -> Iterator[None]:
    """While it lasts, `vectors` come out of the table at their places of the one row looked up.

    The transformer takes token ids alone, and a table that grew would change with every prompt.
    """
    if not vectors:
        yield
        return

    def replace(module: nn.Module, inputs: Any, found: Tensor) -> Tensor:
        found = found.clone()
        for place, vector in vectors.items():
            found[0, place] = vector.to(found)
        return found

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()

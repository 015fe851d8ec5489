"""CLIP's text transformer, as Stable Diffusion's families use it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from webui.errors import ModelRefused
from webui.interfaces import Conditioning

PLACES = 77  # of a window: begin, at most 75 tokens, end and padding


class ClipTextEncoder:
    """A `TextEncoder`. With nothing replaced it makes the very call that transformers documents."""

    def __init__(self, name: str, tokenizer: Any, network: Any) -> None:
        """Raises ValueError if the tokenizer and the network do not fit together."""
        self.name = name
        self._network = network
        self._table: nn.Embedding = network.embeddings.token_embedding
        positions = network.config.max_position_embeddings
        if positions < PLACES:
            raise ValueError(f"it sees {positions} tokens at once; {PLACES} are needed")
        self._begin, self._end, self._padding = (
            self._special(tokenizer, kind) for kind in ("bos", "eos", "pad")
        )

    @property
    def width(self) -> int:
        return int(self._table.embedding_dim)

    @property
    def layers(self) -> int:
        return int(self._network.config.num_hidden_layers)

    def vectors(self, ids: Sequence[int]) -> Tensor:
        return self._table.weight[self._tensor(ids)]

    def encode(
        self, ids: Sequence[int], replaced: Mapping[int, Tensor], clip_skip: int = 1
    ) -> Conditioning:
        padding = [self._padding] * (PLACES - 2 - len(ids))
        tokens = self._tensor([self._begin, *ids, self._end, *padding])[None]
        with _replacing(self._table, {place + 1: replaced[place] for place in replaced}):
            if clip_skip == 1:
                return Conditioning(self._network(tokens)[0])
            states = self._network(tokens, output_hidden_states=True).hidden_states
        # what the layers after it would have seen, brought to the scale that the network knows
        return Conditioning(self._network.final_layer_norm(states[-clip_skip]))

    def _tensor(self, ids: Sequence[int]) -> Tensor:
        """On a GPU an id beyond the table would take the whole process down."""
        most = self._table.num_embeddings
        if wrong := [each for each in ids if not 0 <= each < most]:
            raise ModelRefused(
                f"its tokenizer gives the token {wrong[0]}, and its text encoder knows {most}"
            )
        return torch.tensor(ids, dtype=torch.long, device=self._table.weight.device)

    def _special(self, tokenizer: Any, kind: str) -> int:
        token = getattr(tokenizer, f"{kind}_token_id", None)
        if not isinstance(token, int) or not 0 <= token < self._table.num_embeddings:
            raise ValueError(f"its tokenizer has no {kind} token that is in its table")
        return token


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

"""T5's encoder, which reads a whole text with a vocabulary of its own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from webui.engine.offload import runs_on
from webui.errors import ModelRefused
from webui.interfaces import Written

PLACES = 256  # with the one that ends a text: as many as Stable Diffusion 3 was trained with


class T5TextEncoder:
    """A `WholeTextEncoder`. Nothing is masked: the padding is seen too, as in diffusers."""

    def __init__(self, tokenizer: Any, network: Any) -> None:
        """Raises ValueError if the special tokens and the network do not fit together."""
        self._tokenizer = tokenizer
        self.network = network
        self._words = int(network.config.vocab_size)
        self._end, self._padding = tokenizer.eos_token_id, tokenizer.pad_token_id
        for kind, token in (("eos", self._end), ("pad", self._padding)):
            if not isinstance(token, int) or not 0 <= token < self._words:
                raise ValueError(f"its tokenizer has no {kind} token that is in its table")

    def encode(self, written: Written) -> Tensor:
        """A weight moves what a token became away from what stands there without a text, or
        towards it, as in ComfyUI."""
        tokens = self._tokens(written)[: PLACES - 1]
        hidden = self._hidden([token for token, _ in tokens])
        if all(weight == 1 for _, weight in tokens):
            return hidden
        factors = torch.ones(PLACES, 1, device=hidden.device)
        factors[: len(tokens), 0] = torch.tensor([weight for _, weight in tokens])
        empty = self._hidden([]).float()
        return (empty + (hidden.float() - empty) * factors).to(hidden.dtype)

    def cut_off(self, written: Written) -> int:
        return max(0, len(self._tokens(written)) - (PLACES - 1))

    def _tokens(self, written: Written) -> list[tuple[int, float]]:
        """Each with its weight. Raises ModelRefused for one beyond the table."""
        tokens = [
            (token, weight)
            for text, weight in written
            for token in self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        ]
        if wrong := [token for token, _ in tokens if not 0 <= token < self._words]:
            raise ModelRefused(
                f"T5's tokenizer gives the token {wrong[0]}, and its network knows {self._words}"
            )
        return tokens

    def _hidden(self, tokens: Sequence[int]) -> Tensor:
        """(1, PLACES, width)."""
        padding = [self._padding] * (PLACES - 1 - len(tokens))
        ids = torch.tensor([[*tokens, self._end, *padding]], device=runs_on(self.network))
        made: Tensor = self.network(ids)[0]
        return made

"""From the prompts' text to what guides the model, kept while model and text stay the same."""

from collections import OrderedDict

from torch import Tensor

from webui.interfaces import Model

_KEPT = 32  # prompts; of Stable Diffusion 1's about 120 kB each


class Conditioner:
    """Encodes texts with one model, and remembers the last few."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._kept: OrderedDict[str, tuple[Tensor, int]] = OrderedDict()

    def encode(self, text: str) -> tuple[Tensor, int]:
        """The conditioning (1, tokens, width), and how many tokens at the end were cut."""
        if text not in self._kept:
            self._kept[text] = self._model.encode_prompt(text)
        self._kept.move_to_end(text)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[text]

"""What a text means, by a sentence model that was trained elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

_AT_A_TIME = 512


@dataclass(frozen=True)
class Sentences:
    """A folder of transformers' layout: the mean of its last layer's states is the meaning."""

    splitter: Any
    model: Any

    @classmethod
    def of(cls, folder: Path) -> "Sentences":
        """Raises OSError if there is no model."""
        model = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
        return cls(AutoTokenizer.from_pretrained(str(folder), local_files_only=True), model)

    @torch.no_grad()
    def meanings(self, texts: Sequence[str]) -> Tensor:
        """(texts, width) float32, each of length 1: their products are likenesses from -1 to 1."""
        found = []
        for start in range(0, len(texts), _AT_A_TIME):
            few = list(texts[start : start + _AT_A_TIME])
            inputs = self.splitter(few, padding=True, return_tensors="pt")
            states = self.model(**inputs).last_hidden_state  # (few, words, width)
            mask = inputs["attention_mask"][..., None].float()
            found.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)))
        return torch.cat(found)

"""SDXL's refiner: the second text encoder alone, and a score of beauty instead of a target size."""

from collections.abc import Sequence

import torch

from webui.engine.clip import Use
from webui.engine.parts import Parts
from webui.interfaces import Conditioning, Model
from webui.library import ModelEntry

_PENULTIMATE = Use(layer=2, normed=False, pooled=True)
_BEAUTIFUL, _UGLY = 6.0, 2.5  # what generative-models asks for, and asks to be kept away from


class StableDiffusionXLRefiner:
    """The `Family`."""

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Model:
        parts = Parts(entry, device, dtype, upcast=True)
        text_encoder = parts.text_encoder("clip_g", "text_encoder_2", _PENULTIMATE)
        return parts.assembled((text_encoder,), size_ids=size_ids)


def size_ids(conditioning: Conditioning, width: int, height: int) -> Sequence[float]:
    """Original size, the corner that it was cut at, the score; the height first."""
    return (height, width, 0, 0, _UGLY if conditioning.negative else _BEAUTIFUL)

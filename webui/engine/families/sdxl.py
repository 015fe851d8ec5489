"""Stable Diffusion XL: two text encoders side by side, the text as a whole, and sizes.

Podell et al. 2023 (arXiv:2307.01952), section 2.2: the UNet is told how large the picture was,
where it was cut off, and how large it is to be; here all of it is as large as it is made.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from webui.engine.clip import Use
from webui.engine.parts import Parts
from webui.interfaces import Conditioning, Model
from webui.library import ModelEntry

# Sabour et al. 2024 (arXiv:2404.14507), the list for SDXL
ALIGN_YOUR_STEPS = (
    14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029,
)  # fmt: skip

_FIRST = Use(layer=2, normed=False)
_SECOND = Use(layer=2, normed=False, pooled=True)


class StableDiffusionXL:
    """The `Family`."""

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Model:
        parts = Parts(entry, device, dtype, upcast=True)
        first = parts.text_encoder("clip_l", "text_encoder", _FIRST)
        second = parts.text_encoder("clip_g", "text_encoder_2", _SECOND)
        return parts.assembled((first, second), ALIGN_YOUR_STEPS, told, size_ids)


def told(conditioning: Conditioning) -> Conditioning:
    """A negative prompt without a word is all zeros: it was trained so, and A1111 does it."""
    if not (conditioning.negative and conditioning.empty) or conditioning.pooled is None:
        return conditioning
    return replace(
        conditioning,
        context=torch.zeros_like(conditioning.context),
        pooled=torch.zeros_like(conditioning.pooled),
    )


def size_ids(conditioning: Conditioning, width: int, height: int) -> Sequence[float]:
    """Original size, the corner that it was cut at, target size; each the height first."""
    return (height, width, 0, 0, height, width)

"""Stable Diffusion 1.x: one CLIP text encoder, a UNet with cross-attention, an AutoencoderKL."""

import torch

from webui.engine.parts import Parts
from webui.interfaces import Model
from webui.library import ModelEntry

# Sabour et al. 2024 (arXiv:2404.14507), the list for Stable Diffusion 1.5
ALIGN_YOUR_STEPS = (
    14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029,
)  # fmt: skip


class StableDiffusion1:
    """The `Family`."""

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Model:
        parts = Parts(entry, device, dtype)
        text_encoder = parts.text_encoder("clip_l", "text_encoder")
        return parts.assembled((text_encoder,), ALIGN_YOUR_STEPS)

"""Stable Diffusion 2.x: OpenCLIP's text encoder up to the last layer but one, mostly v prediction.

The last layer was not trained with, and in diffusers' layout it is not there.
"""

import torch

from webui.engine.clip import Use
from webui.engine.parts import Parts
from webui.interfaces import Model
from webui.library import ModelEntry

_PENULTIMATE = Use(layer=2, left_out=1)


class StableDiffusion2:
    """The `Family`."""

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Model:
        parts = Parts(entry, device, dtype)
        return parts.assembled((parts.text_encoder("clip_h", "text_encoder", _PENULTIMATE),))

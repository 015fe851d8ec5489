"""Stable Diffusion 3 and 3.5: a transformer on a rectified flow, two CLIPs, and T5 where it is.

Esser et al. 2024 (arXiv:2403.03206), appendix B.3: what the CLIPs make of a text stands side by
side in the width and before T5's tokens, and both texts as a whole guide each block.
"""

import torch

from webui.engine.clip import Use
from webui.engine.parts import Parts
from webui.engine.transformer_model import TransformerModel
from webui.interfaces import Model
from webui.library import ENCODERS, ModelEntry

_PENULTIMATE = Use(layer=2, normed=False, pooled=True)


class StableDiffusion3:
    """The `Family`."""

    def load(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Model:
        parts = Parts(entry, device, dtype)
        names = ENCODERS[entry.family]
        encoders = [parts.text_encoder(name, part, _PENULTIMATE) for name, part in names.items()]
        t5 = parts.t5("text_encoder_3") if "text_encoder_3" in entry.configs else None
        transformer, vae = parts.transformer(encoders), parts.vae(entry.vae)
        parts.check_latents("transformer", transformer.config.in_channels, vae)
        return TransformerModel(
            text_encoders=encoders,
            whole_text_encoder=t5,
            transformer=transformer,
            vae=vae,
            levels=parts.flow_levels(),
            parts=names,
            other_vae=parts.vae,
        )

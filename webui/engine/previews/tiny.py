"""Through a tiny decoder that was trained to do as the real one: nearly exact, for little time."""

from torch import Tensor

from webui.interfaces import Model


def tiny(latents: Tensor, model: Model) -> Tensor:
    """(B, C, h, w) -> (B, 3, H, W) in [-1, 1]; as `fast` where no tiny decoder fits."""
    return model.vae.decode_roughly(latents)

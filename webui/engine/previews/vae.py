"""The real decoder: what the picture would be if the run ended here. Costs a decoding a step."""

from torch import Tensor

from webui.interfaces import Model


def vae(latents: Tensor, model: Model) -> Tensor:
    """(B, C, h, w) -> (B, 3, H, W) in [-1, 1]."""
    return model.decode(latents)

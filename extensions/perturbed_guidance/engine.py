"""Perturbed-attention guidance: Ahn et al. 2024 (arXiv:2403.17377), equation 16, in x_0 form.

The perturbed prediction is the network's own, with the self-attention in its middle block replaced
by the identity: each place keeps its own value, and structure falls apart.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webui import (
    Attend,
    AttentionPlace,
    AttentionProcessor,
    Denoiser,
    DenoiserWrapper,
    TurnView,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor

_NEEDS = "perturbed_guidance"


@hookimpl
def register_denoiser_wrappers() -> Sequence[DenoiserWrapper]:
    return (DenoiserWrapper(needs=_NEEDS, wrap=guided),)


@hookimpl
def register_attention_processors() -> Sequence[AttentionProcessor]:
    return (AttentionProcessor(needs=_NEEDS, wrap=perturbed),)


def guided(denoise: Denoiser, view: TurnView) -> Denoiser:
    """x (B, C, h, w), sigma () -> clean (B, C, h, w)."""

    def away(x: "Tensor", sigma: "Tensor") -> "Tensor":
        scale: float = view.values["scale"]
        clean, sound = denoise(x, sigma), view.predict(x, sigma)
        view.state["perturbed"] = True
        try:
            broken = view.predict(x, sigma)
        finally:
            view.state["perturbed"] = False
        return clean + scale * (sound - broken)

    return away


def perturbed(attend: Attend, place: AttentionPlace, view: TurnView) -> Attend:
    """Only the middle block's self-attention, and only while it is asked for."""
    if place.cross or not place.name.startswith("mid_block"):
        return attend

    def identity(query: "Tensor", key: "Tensor", value: "Tensor") -> "Tensor":
        return value if view.state.get("perturbed") else attend(query, key, value)

    return identity

"""What else there is of a model's VAE, beside what the model itself is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from webui.library import TinyDecoder


class Autoencoder(Protocol):
    @property
    def network(self) -> Any: ...

    @property
    def widened(self) -> int:
        """How often half precision gave NaN, and it worked in float32 once more."""

    def offer(self, decoders: Sequence[TinyDecoder]) -> None:
        """Tiny decoders that are there, for `decode_roughly`."""

    def decode_roughly(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) in [-1, 1] through a tiny decoder that fits it; without one
        (B, 3, h, w), the linear guess."""

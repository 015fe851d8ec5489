"""What the families' models have in common: their text encoders, and the VAE of their latents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from webui.engine.vae import Vae
from webui.interfaces import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentModel:
    """Of a `Model`, all that does not depend on its network."""

    text_encoders: Sequence[TextEncoder]
    parts: Mapping[str, str]  # of the text encoders, by name: "text_encoder", ...
    vae: Vae
    other_vae: Callable[[Path | None], Vae]  # of a file; None: the model's own

    @property
    def latent_channels(self) -> int:
        return self.vae.latent_channels

    @property
    def scale_factor(self) -> int:
        return self.vae.scale_factor

    @property
    def text_networks(self) -> Mapping[str, Any]:
        return {self.parts[each.name]: each.network for each in self.text_encoders}

    def with_vae(self, path: Path | None) -> Self:
        return replace(self, vae=self.other_vae(path))

    def decode(self, latents: Tensor) -> Tensor:
        return self.vae.decode(latents)

    def decode_tiled(self, latents: Tensor) -> Tensor:
        return self.vae.decode_tiled(latents)

    def encode(self, images: Tensor) -> Tensor:
        return self.vae.encode(images)

    def encode_tiled(self, images: Tensor) -> Tensor:
        return self.vae.encode_tiled(images)

    def latent_to_rgb(self, latents: Tensor) -> Tensor:
        return self.vae.latent_to_rgb(latents)

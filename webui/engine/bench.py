"""What a course works with: one model, its autoencoder, the pictures that were sent in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from webui.engine.autoencoder import decoded, encoded
from webui.engine.control import Control
from webui.engine.device import Device
from webui.engine.initial import sent_in
from webui.engine.pixels import picture
from webui.engine.turns import Result
from webui.engine.upscaling import Upscaling
from webui.events import Picture
from webui.interfaces import Model


@dataclass(frozen=True, slots=True)
class Bench:
    model: Model
    device: Device
    control: Control
    upscaling: Upscaling
    inputs: Path | None = None  # the folder of the pictures that requests name by sha256
    given: Mapping[str, Image.Image] = field(default_factory=dict)  # those of a nested run

    def read(self, name: str, sha256: str) -> Image.Image:
        """A picture that was sent in. Raises InvalidRequest, for the field `name`."""
        if sha256 in self.given:
            return self.given[sha256]
        return sent_in(self.inputs, name, sha256)

    def encode(self, images: Tensor) -> tuple[Tensor, tuple[str, ...]]:
        """(B, 3, H, W) in [-1, 1] -> latents (B, C, h, w) on the device, and what to note of it."""
        where = images.to(self.device.where)
        made = [encoded(self.model, each, self.device) for each in torch.split(where, 1)]
        notes = ("VAE encoder: tiled",) if any(tiled for _, tiled in made) else ()
        return torch.cat([latent for latent, _ in made]), notes

    def stopped(self) -> bool:
        """Whether nothing more is to be made."""
        return self.control.stop is not None

    def decode(self, latents: Tensor, notes: tuple[str, ...] = ()) -> Iterator[Result]:
        """(B, C, h, w) -> the pictures, one by one, as 8-bit; `notes` are said of each."""
        for latent in torch.split(latents, 1):
            image, tiled = decoded(self.model, latent, self.device)
            said = ("VAE decoder: tiled",) if tiled else ()
            yield Result(picture(image[0]), notes + said)

    def pictures(self, latents: Tensor) -> Iterator[Picture]:
        """As `decode`, without the notes."""
        return (result.picture for result in self.decode(latents))

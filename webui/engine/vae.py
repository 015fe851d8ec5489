"""An AutoencoderKL: latents to pictures, and what colours its latents stand for."""

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from webui.engine.latents import LatentFormat, fit

log = logging.getLogger(__name__)


class Vae:
    """Its latents are scaled as the network that denoises them knows them."""

    def __init__(self, network: Any) -> None:
        """Raises ValueError if it makes NaN of a picture: it is tried."""
        self._network = network
        self._check()

    @property
    def latent_channels(self) -> int:
        return int(self._network.config.latent_channels)

    @property
    def scale_factor(self) -> int:
        """Pixels per latent cell, each way."""
        return int(2 ** (len(self._network.config.block_out_channels) - 1))

    def decode(self, latents: Tensor) -> Tensor:
        """One picture at a time: the memory of one, and a batch gives what each gives alone."""
        return torch.cat([self._decode(each) for each in torch.split(latents, 1)])

    def decode_tiled(self, latents: Tensor) -> Tensor:
        """Tiles of half the picture, each overlapping the next by half, blended (above 35 dB)."""
        with self._tiles(max(latents.shape[2:])):
            return self.decode(latents)

    def encode(self, images: Tensor) -> Tensor:
        """One picture at a time, as `decode`."""
        return torch.cat([self._encode(each) for each in torch.split(images, 1)])

    def encode_tiled(self, images: Tensor) -> Tensor:
        """Tiles as in `decode_tiled`."""
        with self._tiles(max(images.shape[2:]) // self.scale_factor):
            return self.encode(images)

    @contextmanager
    def _tiles(self, cells: int) -> Iterator[None]:
        """For a latent whose longer side has that many cells."""
        tile = max(8, min(32, cells // 2))
        self._network.tile_latent_min_size = tile
        self._network.tile_sample_min_size = tile * self.scale_factor
        self._network.tile_overlap_factor = 0.5
        self._network.use_tiling = True
        try:
            yield
        finally:
            self._network.use_tiling = False

    def latent_to_rgb(self, latents: Tensor) -> Tensor:
        return self._colours.rgb(latents)

    def _decode(self, latents: Tensor) -> Tensor:
        config = self._network.config
        unscaled = latents / config.scaling_factor + (config.shift_factor or 0.0)

        def decoded(network: Any) -> Tensor:
            made: Tensor = network.decode(unscaled.to(network.dtype), return_dict=False)[0]
            return made.float()

        return self._finite(decoded).clamp(-1, 1)

    def _encode(self, images: Tensor) -> Tensor:
        config = self._network.config

        def encoded(network: Any) -> Tensor:
            batch = images.to(network.device, network.dtype)
            made: Tensor = network.encode(batch).latent_dist.mean
            return made.float()

        return (self._finite(encoded) - (config.shift_factor or 0.0)) * config.scaling_factor  # type: ignore[no-any-return]

    def _finite(self, run: Callable[[Any], Tensor]) -> Tensor:
        """What `run` makes with the network; where half precision gives NaN or Inf, once more with
        a copy in float32, which is let go again: the next picture does not depend on this one."""
        made = run(self._network)
        if self._network.dtype == torch.float32 or bool(torch.isfinite(made).all()):
            return made
        log.warning("the VAE makes NaN in %s; it is run again in fp32", self._network.dtype)
        return run(copy.deepcopy(self._network).float())

    @cached_property
    def _colours(self) -> LatentFormat:
        """Fitted when the first preview asks: it takes seconds on a CPU."""
        with torch.no_grad():
            return fit(self._encode, self.latent_channels, self.scale_factor)

    @torch.no_grad()
    def _check(self) -> None:
        """Raises ValueError."""
        side = 8 * self.scale_factor
        if not bool(torch.isfinite(self._encode(torch.zeros(1, 3, side, side))).all()):
            raise ValueError("its encoder makes NaN or Inf of a picture")

"""An AutoencoderKL: latents to pictures, and what colours its latents stand for."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from webui.engine.latents import LatentFormat, fit
from webui.engine.offload import runs_on
from webui.engine.tiny_decoder import decoded, fitting
from webui.library import TinyDecoder

log = logging.getLogger(__name__)


class Vae:
    """Its latents are scaled as the network that denoises them knows them."""

    def __init__(self, network: Any) -> None:
        """Raises ValueError if it makes NaN of a picture: it is tried."""
        self._network = network
        self._widened = 0
        self._offered: Sequence[TinyDecoder] = ()
        self._tiny: nn.Module | None = None  # of those, the one that fits
        self._check()

    @property
    def network(self) -> Any:
        return self._network

    @property
    def widened(self) -> int:
        """How often half precision did not suffice."""
        return self._widened

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

    def offer(self, decoders: Sequence[TinyDecoder]) -> None:
        """Tiny decoders that are there, of which `decode_roughly` uses the one that fits."""
        if decoders != self._offered:
            self._offered, self._tiny = decoders, None

    def decode_roughly(self, latents: Tensor) -> Tensor:
        """Through a tiny decoder; as `latent_to_rgb` where none fits."""
        if self._offered and self._tiny is None:
            self._tiny = fitting(self._offered, self, runs_on(self._network), self._network.dtype)
        if self._tiny is None:
            return self.latent_to_rgb(latents)
        return decoded(self._tiny, latents)

    def _decode(self, latents: Tensor) -> Tensor:
        config = self._network.config
        unscaled = latents / config.scaling_factor + (config.shift_factor or 0.0)

        def run() -> Tensor:
            network = self._network
            made: Tensor = network.decode(unscaled.to(network.dtype), return_dict=False)[0]
            return made.float()

        return self._finite(run).clamp(-1, 1)

    def _encode(self, images: Tensor) -> Tensor:
        config = self._network.config

        def run() -> Tensor:
            network = self._network
            batch = images.to(runs_on(network), network.dtype)
            made: Tensor = network.encode(batch).latent_dist.mean
            return made.float()

        return (self._finite(run) - (config.shift_factor or 0.0)) * config.scaling_factor  # type: ignore[no-any-return]

    def _finite(self, run: Callable[[], Tensor]) -> Tensor:
        """What `run` makes with the network; where half precision gives NaN or Inf, once more with
        the network in float32, and back again: the next picture does not depend on this one."""
        made, held = run(), self._network.dtype
        if held == torch.float32 or bool(torch.isfinite(made).all()):
            return made
        log.warning("the VAE makes NaN in %s; it is run again in fp32", held)
        self._widened += 1
        self._network.float()
        try:
            return run()
        finally:
            self._network.to(held)  # each number of half precision is one of float32 too

    @cached_property
    def _colours(self) -> LatentFormat:
        """Fitted when the first preview asks: it takes seconds on a CPU."""
        with torch.no_grad():
            return fit(self._encode, self.latent_channels, self.scale_factor)

    @torch.no_grad()
    def _check(self) -> None:
        """Raises ValueError."""
        side = 2 * self.scale_factor  # one NaN among the weights is everywhere; more cost seconds
        if not bool(torch.isfinite(self._encode(torch.zeros(1, 3, side, side))).all()):
            raise ValueError("its encoder makes NaN or Inf of a picture")

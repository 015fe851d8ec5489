"""A `Model` of a transformer on a rectified flow, and the VAE of its latents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from webui.engine.denoiser import from_flow
from webui.engine.latent_model import LatentModel
from webui.engine.offload import runs_on
from webui.engine.rectified_flow import FlowLevels
from webui.engine.t5 import PLACES
from webui.errors import InvalidRequest
from webui.interfaces import Conditioning, WholeTextEncoder
from webui.interfaces.engine_hooks import WrapAttention

TIMESTEPS = 1000  # what the network calls all noise


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerModel(LatentModel):
    """The families' `Model`."""

    whole_text_encoder: WholeTextEncoder | None
    transformer: Any
    levels: FlowLevels

    @property
    def device(self) -> torch.device:
        return runs_on(self.transformer)

    @property
    def networks(self) -> Mapping[str, Any]:
        return {"transformer": self.transformer, **self.text_networks}

    @property
    def modules(self) -> Sequence[Any]:
        whole = [self.whole_text_encoder.network] if self.whole_text_encoder else []
        return [*self.networks.values(), *whole, self.vae.network]

    def painting(self, picture: Tensor, mask: Tensor) -> "TransformerModel":
        return self

    def attending(self, wrap: WrapAttention) -> None:
        """It attends to picture and words at once, which extensions are not written for."""

    def noised(self, clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return (1 - sigma) * clean + sigma * noise

    def predict(
        self, x: Tensor, sigma: Tensor, conditionings: Sequence[Conditioning]
    ) -> Sequence[Tensor]:
        """Esser et al. 2024 (arXiv:2403.03206): the network gives noise - clean."""
        count, batch = len(conditionings), len(x)
        network, (height, width) = self.transformer, x.shape[2:]
        self._check(height, width)
        # a row or column more where a patch would have to be divided, as in ComfyUI
        patch = int(network.config.patch_size)
        seen = functional.pad(x, (0, -width % patch, 0, -height % patch), mode="circular")
        pooled = [each.pooled for each in conditionings if each.pooled is not None]
        contexts = [self._context(each) for each in conditionings]
        (output,) = network(
            hidden_states=seen.to(network.dtype).repeat(count, 1, 1, 1),
            timestep=(sigma.to(x.device) * TIMESTEPS).expand(count * batch),
            encoder_hidden_states=self._expanded(contexts, batch),
            pooled_projections=self._expanded(pooled, batch),
            return_dict=False,
        )
        velocities = output[:, :, :height, :width].float().chunk(count)
        return [from_flow(x, sigma, each) for each in velocities]

    def shown(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x

    def _context(self, told: Conditioning) -> Tensor:
        """(1 or B, tokens, width): the windows, filled up to T5's width, and after them what T5
        made of the whole text; zeros where there is none."""
        width = int(self.transformer.config.joint_attention_dim)
        context = functional.pad(told.context, (0, width - told.context.shape[-1]))
        beside = told.beside
        if beside is None:
            beside = context.new_zeros(len(context), PLACES, width)
        return torch.cat([context, beside.to(context)], dim=1)

    def _expanded(self, each: Sequence[Tensor], batch: int) -> Tensor:
        """(1 or B, ...) each, for a batch of pictures."""
        repeated = [tensor.expand(batch, *tensor.shape[1:]) for tensor in each]
        return torch.cat(repeated).to(self.transformer.dtype)

    def _check(self, height: int, width: int) -> None:
        """Raises InvalidRequest for a latent with more cells than the network has places for."""
        config = self.transformer.config
        most = int(config.pos_embed_max_size * config.patch_size)
        for name, cells in (("width", width), ("height", height)):
            if cells > most:
                pixels = self.scale_factor
                raise InvalidRequest(
                    name, f"is at most {most * pixels} for this model, got {cells * pixels}"
                )

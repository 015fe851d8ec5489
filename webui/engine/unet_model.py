"""A `Model` of a UNet on the noise levels of a discrete diffusion, and the VAE of its latents.

What differs between families is given to it as functions; `timestep` is this file's word alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from webui.engine.attention import attending
from webui.engine.denoiser import from_epsilon, from_velocity
from webui.engine.latent_model import LatentModel
from webui.engine.offload import runs_on
from webui.engine.schedules import DiscreteLevels
from webui.interfaces import Conditioning, Levels
from webui.interfaces.engine_hooks import WrapAttention

_PREDICTIONS = {"epsilon": from_epsilon, "v_prediction": from_velocity}

Told = Callable[[Conditioning], Conditioning]
# (conditioning, width, height in pixels) -> the numbers that the UNet is told of a picture's size
SizeIds = Callable[[Conditioning, int, int], Sequence[float]]


def as_it_is(conditioning: Conditioning) -> Conditioning:
    return conditioning


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetModel(LatentModel):
    """The families' `Model`."""

    unet: Any
    levels: DiscreteLevels
    prediction: str  # "epsilon" or "v_prediction"
    told: Told = as_it_is  # what the UNet gets to see of one
    size_ids: SizeIds | None = None
    painted: Tensor | None = None  # (1, 1 + C, h, w) beside the latent, in its every call

    @property
    def whole_text_encoder(self) -> None:
        return None

    @property
    def device(self) -> torch.device:
        return runs_on(self.unet)

    @property
    def networks(self) -> Mapping[str, Any]:
        return {"unet": self.unet, **self.text_networks}

    @property
    def modules(self) -> Sequence[Any]:
        return [*self.networks.values(), self.vae.network]

    def painting(self, picture: Tensor, mask: Tensor) -> "UNetModel":
        """As `StableDiffusionInpaintPipeline` does: the mask of the cells, and the latent of what
        stays, the rest of it grey; a cell with any mask in it counts as masked."""
        if self.unet.config.in_channels == self.latent_channels:
            return self
        masked = (mask >= 0.5).float()
        seen = self.encode(picture * (1 - masked))
        cells = functional.max_pool2d(masked, self.scale_factor)
        return replace(self, painted=torch.cat([cells.to(seen), seen], dim=1))

    def attending(self, wrap: WrapAttention) -> AbstractContextManager[None]:
        return attending(self.unet, wrap)

    def noised(self, clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return clean + sigma * noise

    def predict(
        self, x: Tensor, sigma: Tensor, conditionings: Sequence[Conditioning]
    ) -> Sequence[Tensor]:
        """The preconditioning of Karras et al. 2022, table 1, column "VP"; x is in sigma form."""
        count, batch = len(conditionings), len(x)
        told = [self.told(each) for each in conditionings]
        scaled = (x / (sigma**2 + 1) ** 0.5).to(self.unet.dtype)
        if self.painted is not None:
            beside = self.painted.to(scaled).expand(batch, -1, -1, -1)
            scaled = torch.cat([scaled, beside], dim=1)
        (output,) = self.unet(
            scaled.repeat(count, 1, 1, 1),
            self.levels.sigma_to_t(sigma).to(x.device),
            encoder_hidden_states=torch.cat([each.context.expand(batch, -1, -1) for each in told]),
            added_cond_kwargs=self._added(told, x),
            return_dict=False,
        )
        clean = _PREDICTIONS[self.prediction]
        return [clean(x, sigma, part.float()) for part in output.chunk(count)]

    def shown(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1) ** 0.5

    def _added(self, told: Sequence[Conditioning], x: Tensor) -> Mapping[str, Tensor] | None:
        """What an SDXL UNet takes beside the context; `told` are (1, width) pooled each."""
        if self.size_ids is None:
            return None
        height, width = (side * self.scale_factor for side in x.shape[2:])
        pooled, ids = [], []
        for each in told:
            assert each.pooled is not None
            pooled.append(each.pooled.expand(len(x), -1))
            row = torch.tensor(self.size_ids(each, width, height), dtype=self.unet.dtype)
            ids.append(row.expand(len(x), -1))
        return {"text_embeds": torch.cat(pooled), "time_ids": torch.cat(ids).to(x.device)}


def assumed_prediction(unet: Any, levels: Levels, width: int) -> str:
    """What a UNet predicts, of which nothing says so: "epsilon" or "v_prediction".

    At the last timestep its input is noise and hardly anything else. The noise is then what one
    that predicts it gives back, and v is nearly the picture with its sign changed (Salimans & Ho
    2022, arXiv:2202.00512, section 4), which has nothing to do with the noise.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    noise = torch.randn((1, unet.config.in_channels, 32, 32), generator=generator)
    context = torch.zeros((1, 77, width), device=unet.device, dtype=unet.dtype)
    last = torch.tensor(len(levels.sigmas) - 1, device=unet.device)
    with torch.no_grad():
        (output,) = unet(
            noise.to(unet.device, unet.dtype), last, encoder_hidden_states=context,
            return_dict=False,
        )  # fmt: skip
    latent = noise[:, : output.shape[1]]  # without what an inpainting one sees beside it
    both = torch.stack([latent.flatten(), output.float().cpu().flatten()])
    alike = float(torch.corrcoef(both)[0, 1])
    return "epsilon" if alike > 0.5 else "v_prediction"

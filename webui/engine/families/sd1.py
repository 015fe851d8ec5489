"""Stable Diffusion 1.x: one CLIP text encoder, a UNet with cross-attention, an AutoencoderKL.

Read from a diffusers folder: local files, safetensors weights, no code from the folder. Sizes,
VAE factor and prediction type are what the configs say; `timestep` is this file's word alone.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from webui.engine.clip import ClipTextEncoder
from webui.engine.denoiser import from_epsilon, from_velocity
from webui.engine.device import is_out_of_memory, settled
from webui.engine.latents import LatentFormat, fit
from webui.engine.schedules import DiscreteLevels
from webui.errors import ModelRefused
from webui.interfaces import Conditioning, Model

# Sabour et al. 2024 (arXiv:2404.14507), the list for Stable Diffusion 1.5
ALIGN_YOUR_STEPS = (
    14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029,
)  # fmt: skip

# the second one's network sees the picture that is painted on, too
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline")
_PREDICTIONS = {"epsilon": from_epsilon, "v_prediction": from_velocity}


class StableDiffusion1:
    """Recognises and loads the family."""

    def recognises(self, folder: Path) -> bool:
        try:
            index = json.loads((folder / "model_index.json").read_text("utf-8"))
            return bool(index["_class_name"] in PIPELINES)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def load(self, folder: Path, device: torch.device, dtype: torch.dtype) -> Model:
        """Raises ModelRefused, naming the part of the folder that cannot be used."""
        tokenizer = _part(CLIPTokenizer, folder / "tokenizer")
        network = _weights(CLIPTextModel, folder / "text_encoder", device, dtype)
        with _refusing(folder / "text_encoder"):
            text_encoder = ClipTextEncoder("clip_l", tokenizer, network)
        unet = _weights(UNet2DConditionModel, folder / "unet", device, dtype)
        vae = _weights(AutoencoderKL, folder / "vae", device, dtype)
        taken, latents = unet.config.in_channels, vae.config.latent_channels
        if taken not in (latents, 2 * latents + 1):
            raise ModelRefused(
                f"{folder.name}/unet: takes {taken} channels and the VAE's latents have {latents}; "
                f"only plain models ({latents}) and inpainting ones ({2 * latents + 1}) can be used"
            )
        scheduler = _part(DDPMScheduler, folder / "scheduler")  # read for its noise levels alone
        prediction = scheduler.config["prediction_type"]
        if prediction not in _PREDICTIONS:
            raise ModelRefused(
                f"{folder.name}/scheduler: prediction type {prediction!r} is not known; "
                f"known are {', '.join(_PREDICTIONS)}"
            )
        levels = DiscreteLevels(scheduler.alphas_cumprod, ALIGN_YOUR_STEPS)
        with _refusing(folder / "vae"):  # it is tried at once, to learn its colours
            return LoadedModel(text_encoder, unet, vae, levels, prediction)


def _part(kind: Any, folder: Path) -> Any:
    with _refusing(folder):
        return kind.from_pretrained(str(folder), local_files_only=True)


def _weights(kind: Any, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    # a text encoder's config may name an attention of its own, to be fetched as code; ours stands
    own = {"attn_implementation": "sdpa"} if kind is CLIPTextModel else {}
    with _refusing(folder):
        module, report = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            dtype=dtype,
            **own,
        )
        if missing := sorted(report["missing_keys"]):  # they would be filled with random numbers
            raise ModelRefused(
                f"{folder.parent.name}/{folder.name}: {len(missing)} of its weights are missing, "
                f"{missing[0]} for one"
            )
        return settled(module, device)


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """The loaders raise whatever the files make them raise."""
    try:
        yield
    except ModelRefused:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        name = f"{folder.parent.name}/{folder.name}"
        raise ModelRefused(f"{name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__


class LoadedModel:
    """The family's `Model`."""

    def __init__(
        self,
        text_encoder: ClipTextEncoder,
        unet: Any,
        vae: Any,
        levels: DiscreteLevels,
        prediction: str,
    ) -> None:
        self.levels = levels
        self.text_encoders = (text_encoder,)
        self._unet = unet
        self._vae = vae
        self._clean = _PREDICTIONS[prediction]
        self._painted: Tensor | None = None  # (1, 1 + C, h, w) beside the latent, in its every call
        self._latents = self._fit_colours()

    @property
    def latent_channels(self) -> int:
        return int(self._vae.config.latent_channels)

    @property
    def scale_factor(self) -> int:
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    def painting(self, picture: Tensor, mask: Tensor) -> Model:
        """As `StableDiffusionInpaintPipeline` does: the mask of the cells, and the latent of what
        stays, the rest of it grey; a cell with any mask in it counts as masked."""
        if self._unet.config.in_channels == self.latent_channels:
            return self
        masked = (mask >= 0.5).float()
        seen = self.encode(picture * (1 - masked))
        cells = functional.max_pool2d(masked, self.scale_factor)
        told = copy(self)
        told._painted = torch.cat([cells.to(seen), seen], dim=1)
        return told

    @property
    def device(self) -> torch.device:
        return torch.device(self._unet.device)

    def noised(self, clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return clean + sigma * noise

    def predict(
        self, x: Tensor, sigma: Tensor, conditionings: Sequence[Conditioning]
    ) -> Sequence[Tensor]:
        """The preconditioning of Karras et al. 2022, table 1, column "VP"; x is in sigma form."""
        count = len(conditionings)
        scaled = (x / (sigma**2 + 1) ** 0.5).to(self._unet.dtype)
        if self._painted is not None:
            beside = self._painted.to(scaled).expand(len(x), -1, -1, -1)
            scaled = torch.cat([scaled, beside], dim=1)
        timestep = self.levels.sigma_to_t(sigma).to(x.device)
        context = torch.cat([each.context.expand(len(x), -1, -1) for each in conditionings])
        (output,) = self._unet(
            scaled.repeat(count, 1, 1, 1),
            timestep,
            encoder_hidden_states=context,
            return_dict=False,
        )
        return [self._clean(x, sigma, part.float()) for part in output.chunk(count)]

    def shown(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / (sigma**2 + 1) ** 0.5

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
        self._vae.tile_latent_min_size = tile
        self._vae.tile_sample_min_size = tile * self.scale_factor
        self._vae.tile_overlap_factor = 0.5
        self._vae.use_tiling = True
        try:
            yield
        finally:
            self._vae.use_tiling = False

    def latent_to_rgb(self, latents: Tensor) -> Tensor:
        return self._latents.rgb(latents)

    def _decode(self, latents: Tensor) -> Tensor:
        config = self._vae.config
        unscaled = latents / config.scaling_factor + (config.shift_factor or 0.0)
        picture = self._vae.decode(unscaled.to(self._vae.dtype), return_dict=False)[0]
        return picture.float().clamp(-1, 1)  # type: ignore[no-any-return]

    def _encode(self, images: Tensor) -> Tensor:
        config, batch = self._vae.config, images.to(self._vae.device, self._vae.dtype)
        mean = self._vae.encode(batch).latent_dist.mean.float()
        return (mean - (config.shift_factor or 0.0)) * config.scaling_factor  # type: ignore[no-any-return]

    @torch.no_grad()
    def _fit_colours(self) -> LatentFormat:
        def encode(pictures: Tensor) -> Tensor:
            latents = self._encode(pictures)
            if not bool(torch.isfinite(latents).all()):
                raise ValueError("its encoder makes NaN or Inf of a picture")
            return latents

        return fit(encode, self.latent_channels, self.scale_factor)

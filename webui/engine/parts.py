"""The parts of a model, made from its files: a folder in diffusers layout, or one file.

Knows how files lie and how networks are built; what a family takes of them, its own file says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from webui.engine import original_keys
from webui.engine.clip import ClipTextEncoder, Specials, Use
from webui.engine.rectified_flow import FlowLevels
from webui.engine.schedules import DiscreteLevels
from webui.engine.t5 import T5TextEncoder
from webui.engine.tensors import Tensors, filled, mapped, refusing, without
from webui.engine.unet_model import SizeIds, Told, UNetModel, as_it_is, assumed_prediction
from webui.engine.vae import Vae
from webui.errors import ModelRefused
from webui.interfaces import TextEncoder
from webui.library import ENCODERS, ModelEntry, separate_vae_config, shards
from webui.library.folder import WEIGHTS
from webui.prompt import special_ids

# of a text encoder's config; an attention named there would be fetched as code
_TEXT = (
    "vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers",
    "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps",
    "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
_T5 = (
    "vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "feed_forward_proj",
    "relative_attention_num_buckets", "relative_attention_max_distance", "layer_norm_epsilon",
    "eos_token_id", "pad_token_id",
)  # fmt: skip
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, slots=True)
class Parts:
    """Each raises ModelRefused, naming the part that cannot be used."""

    entry: ModelEntry
    device: torch.device
    dtype: torch.dtype
    upcast: bool = False  # whether fp16 is too narrow for its VAE

    def assembled(
        self,
        text_encoders: Sequence[TextEncoder],
        align_your_steps: Sequence[float] = (),
        told: Told = as_it_is,
        size_ids: SizeIds | None = None,
    ) -> UNetModel:
        """With the UNet, the VAE and the noise levels that go with these text encoders."""
        unet, vae, levels = self.unet(), self.vae(self.entry.vae), self.levels(align_your_steps)
        width = sum(encoder.width for encoder in text_encoders)
        self._check(unet.config, vae.latent_channels, width)
        return UNetModel(
            text_encoders=text_encoders,
            parts=ENCODERS[self.entry.family],
            unet=unet,
            vae=vae,
            levels=levels,
            # single files of 2.x hold no word about it, and of both kinds there are many
            prediction=self._prediction() or assumed_prediction(unet, levels, width),
            other_vae=self.vae,
            told=told,
            size_ids=size_ids,
        )

    def _check(self, unet: Any, latents: int, width: int) -> None:
        """Whether the parts fit together."""
        taken = unet.in_channels
        if taken not in (latents, 2 * latents + 1):
            raise ModelRefused(
                f"{self._name('unet')}: takes {taken} channels and the VAE's latents have {latents}"
                f"; only plain models ({latents}) and inpainting ones ({2 * latents + 1}) can be "
                "used"
            )
        if unet.cross_attention_dim != width:
            raise ModelRefused(
                f"{self._name('unet')}: looks at texts {unet.cross_attention_dim} wide, "
                f"and its text encoders give {width}"
            )

    def text_encoder(self, name: str, part: str, use: Use = Use()) -> ClipTextEncoder:
        """`name` as embedding files call it; one whose text as a whole is wanted projects it."""
        with refusing(self._name(part)):
            given = self._config(part)
            config = CLIPTextConfig(**{key: given[key] for key in _TEXT if key in given})
            kind = CLIPTextModelWithProjection if use.pooled else CLIPTextModel
            network = self._filled(lambda: kind(config), self._text(part, use))
        with refusing(self._name(part.replace("text_encoder", "tokenizer"))):
            specials = self._specials(part)
        with refusing(self._name(part)):
            return ClipTextEncoder(name, specials, network, use)

    def t5(self, part: str) -> T5TextEncoder:
        with refusing(self._name(part.replace("text_encoder", "tokenizer"))):
            place = str(self.entry.t5_tokenizer)
            tokenizer = T5Tokenizer.from_pretrained(place, local_files_only=True)
        with refusing(self._name(part)):
            given = self._config(part)
            config = T5Config(**{key: given[key] for key in _T5 if key in given})
            tensors = self._tensors(part, given)
            words = tensors["shared.weight"]
            # it overflows in fp16, and was trained in bf16
            dtype = torch.bfloat16 if self.dtype == torch.float16 else self.dtype
            network: Any = filled(
                lambda: T5EncoderModel(config),
                {"encoder.embed_tokens.weight": words, **tensors},
                self.device,
                dtype,
            )
            network.encoder.embed_tokens = network.shared  # one table, not two
            return T5TextEncoder(tokenizer, network)

    def transformer(self, text_encoders: Sequence[TextEncoder]) -> Any:
        """Of Stable Diffusion 3, for texts of these encoders."""
        with refusing(self._name("transformer")):
            config = self._config("transformer")
            make = partial(SD3Transformer2DModel.from_config, config)
            made: Any = self._filled(make, self._tensors("transformer", config))
        width = sum(encoder.width for encoder in text_encoders)
        if made.config.joint_attention_dim < width:
            raise ModelRefused(
                f"{self._name('transformer')}: looks at texts {made.config.joint_attention_dim} "
                f"wide, and its text encoders give {width}"
            )
        return made

    def flow_levels(self) -> FlowLevels:
        with refusing(self._name("scheduler")):
            scheduler = FlowMatchEulerDiscreteScheduler.from_config(self._config("scheduler"))  # type: ignore[no-untyped-call]
            return FlowLevels(scheduler.config.num_train_timesteps, float(scheduler.shift))

    def check_latents(self, part: str, channels: int, vae: Vae) -> None:
        """Raises ModelRefused if a network takes other latents than the VAE's."""
        if channels != vae.latent_channels:
            raise ModelRefused(
                f"{self._name(part)}: takes {channels} channels and the VAE's latents have "
                f"{vae.latent_channels}"
            )

    def unet(self) -> Any:
        with refusing(self._name("unet")):
            config = self._config("unet")
            return self._filled(
                partial(UNet2DConditionModel.from_config, config), self._tensors("unet", config)
            )

    def vae(self, path: Path | None) -> Vae:
        """The one in a file of its own, or for None the model's; the model says how its latents are
        scaled."""
        entry = self.entry
        if path is not None:
            with refusing(path.name):
                config = separate_vae_config(path, self._config("vae"))
                return self._vae(config, original_keys.vae(mapped(path), config))
        if entry.layout == "file" and "vae" not in entry.report.parts:
            raise ModelRefused(
                f"{entry.name} holds no VAE: put one beside it, called "
                f"{entry.path.stem}.vae.safetensors, or choose one"
            )
        with refusing(self._name("vae")):
            config = self._config("vae")
            return self._vae(config, self._tensors("vae", config))

    def levels(self, align_your_steps: Sequence[float] = ()) -> DiscreteLevels:
        with refusing(self._name("scheduler")):  # read for its noise levels alone
            scheduler = DDPMScheduler.from_config(self._config("scheduler"))  # type: ignore[no-untyped-call]
            return DiscreteLevels(scheduler.alphas_cumprod, align_your_steps)

    def _prediction(self) -> str | None:
        """One of PREDICTIONS; None if nothing says which."""
        scheduler = self.entry.configs.get("scheduler", {})
        default = None if self.entry.layout == "file" else "epsilon"
        prediction = scheduler.get("prediction_type", default)
        if prediction is not None and prediction not in PREDICTIONS:
            raise ModelRefused(
                f"{self._name('scheduler')}: prediction type {prediction!r} is not known; "
                f"known are {', '.join(PREDICTIONS)}"
            )
        return None if prediction is None else str(prediction)

    def _name(self, part: str) -> str:
        return f"{self.entry.path.name}/{part}"

    def _config(self, part: str) -> dict[str, Any]:
        config = self.entry.configs.get(part)
        if not config:
            raise ModelRefused(f"{self._name(part)}: its config is missing")
        return dict(config)

    def _vae(self, config: dict[str, Any], tensors: Tensors) -> Vae:
        if config.get("latents_mean") is not None:
            raise ModelRefused(f"{self._name('vae')}: its latents have means, as in no family here")
        tensors = original_keys.attention_renamed(tensors)
        make = partial(AutoencoderKL.from_config, config)
        narrow = self.upcast and self.dtype == torch.float16 and config.get("force_upcast", True)
        dtype = torch.float32 if narrow else self.dtype
        return Vae(filled(make, tensors, self.device, dtype))

    def _filled(self, make: Callable[[], nn.Module], tensors: Tensors) -> nn.Module:
        return filled(make, tensors, self.device, self.dtype)

    def _text(self, part: str, use: Use) -> Tensors:
        if self.entry.layout == "folder":
            tensors = self._mapped(part)
        else:
            before = original_keys.prefix(self.entry.family, part)
            tensors = original_keys.text(mapped(self.entry.path, before), before)
        # transformers' text model has it, its model without a projection has it no more
        return tensors if use.pooled else without("text_model.", tensors)

    def _mapped(self, part: str) -> Tensors:
        """Of a part of a folder."""
        files = shards.files(self.entry.path / part, WEIGHTS[part])
        return {key: tensor for path in files for key, tensor in mapped(path).items()}

    def _tensors(self, part: str, config: Mapping[str, Any]) -> Tensors:
        if self.entry.layout == "folder":
            return self._mapped(part)
        before = original_keys.prefix(self.entry.family, part)
        tensors = mapped(self.entry.path, before)
        if part == "text_encoder_3":  # transformers' own names
            return without(before, tensors)
        convert = {
            "unet": original_keys.unet,
            "transformer": original_keys.transformer,
            "vae": original_keys.vae,
        }[part]
        return convert(tensors, config)

    def _specials(self, part: str) -> Specials:
        if self.entry.layout == "file":  # CLIP's vocabulary, all but the padding
            return Specials(49406, 49407, self._config(part)["pad_token_id"])
        place = part.replace("text_encoder", "tokenizer")
        return Specials(*special_ids(self.entry.path / place))

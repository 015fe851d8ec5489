"""What the library lists: values, complete, without a way to the disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

# the text encoders of a family: as embedding files call them, and the part that holds each
ENCODERS: Mapping[str, Mapping[str, str]] = {
    "sd1": {"clip_l": "text_encoder"},
    "sd2": {"clip_h": "text_encoder"},
    "sdxl": {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},
    "refiner": {"clip_g": "text_encoder_2"},
    "sd3": {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},  # beside T5
}


_LATENT_CHANNELS = 4  # as diffusers' AutoencoderKL has it where its config says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What can be known of a model before it is loaded, from headers and configs alone."""

    kind: str = ""  # "checkpoint", or what the file is instead: "lora", "vae", ...
    family: str = ""  # "" of what cannot be used
    precision: str = ""  # of the denoising network's weights: "fp16"; the commonest first
    prediction: str = ""  # "epsilon", "v_prediction", "flow"; "" is tried out when it is loaded
    zero_terminal_snr: bool = False
    parts: tuple[str, ...] = ()  # that are there: "unet", "vae", "text_encoder", ...
    weights: int = 0  # numbers that are loaded
    sizes: Mapping[str, int] = field(default_factory=dict)  # of them, by part
    vae: str = ""  # the separate VAE that goes with it by its name
    notes: tuple[str, ...] = ()  # what is missing or odd, and can be lived with


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    name: str  # as lists show it; what cannot be printed is escaped
    path: Path  # of the folder or the file
    layout: Literal["folder", "file"] = "folder"
    family: str = ""  # "sd1", "sd2", "sdxl", "refiner", "sd3"; "" if it is none that can be used
    native_width: int = 0  # pixels the model was trained at; 0 if unknown
    native_height: int = 0
    scale_factor: int = 8  # pixels per latent cell, each way
    weights: Path = Path()  # what the model is known by: the UNet's, or the whole file
    size_bytes: int = 0  # of all weights
    # what networks are built from, by part
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    tokenizer: Path = Path()  # the folder of the vocabulary
    t5_tokenizer: Path | None = None  # the folder of T5's, where it is read
    vae: Path | None = None  # a separate one, beside it by its name
    report: Report = Report()
    problem: str | None = None  # why it cannot be used
    unread: bool = False  # it is there, and nobody has looked into it yet

    @property
    def token_widths(self) -> dict[str, int]:
        """Of a token's vector, by text encoder."""
        return {
            name: int(self.configs[part]["hidden_size"])
            for name, part in ENCODERS.get(self.family, {}).items()
            if isinstance(self.configs.get(part, {}).get("hidden_size"), int)
        }


@dataclass(frozen=True, slots=True)
class VaeEntry:
    """A separate VAE."""

    name: str  # the file's, without the suffix
    path: Path
    size_bytes: int = 0
    precision: str = ""
    latent_channels: int = 0  # 0 while nobody has looked into it
    problem: str | None = None  # why it cannot be used

    def misfit(self, model: ModelEntry) -> str | None:
        """Why it cannot be used with a model; None where nothing speaks against it."""
        config = model.configs.get("vae")
        if self.problem is not None or not self.latent_channels or config is None:
            return self.problem
        wanted = config.get("latent_channels", _LATENT_CHANNELS)
        if self.latent_channels == wanted:
            return None
        return (
            f"its latents have {self.latent_channels} channels, and those of {model.name} {wanted}"
        )

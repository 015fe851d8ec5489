"""The shapes that parts meet at: what a sampler, a family, a preview, a tab has to look like.

No implementation is known here, and torch is imported for the type checker alone. Here stands what
the engine has; `tables` is what the server says of it, `upscalers` what makes pictures larger.

Tensors are batch first: latents (B, C, h, w), images (B, 3, H, W) in [-1, 1]. Noise levels are
sigmas, the standard deviation of the noise in latent units (Karras et al. 2022, arXiv:2206.00364);
of a model of a rectified flow, the share of noise, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from webui.interfaces.autoencoders import Autoencoder
from webui.interfaces.axes import Axis
from webui.interfaces.engine_tables import EngineRegistry
from webui.interfaces.tables import (
    PreviewInfo,
    Route,
    SamplerInfo,
    ScheduleInfo,
    ServerRegistry,
    Tab,
    UpscalerInfo,
    UpscalerKind,
)
from webui.interfaces.texts import Conditioning, TextEncoder, WholeTextEncoder, Written
from webui.interfaces.upscalers import (
    LatentResize,
    PictureResize,
    Resize,
    UpscalerFamily,
    UpscalerNetwork,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor

    from webui.interfaces.engine_hooks import WrapAttention
    from webui.library import ModelEntry

__all__ = [
    "Autoencoder",
    "Axis",
    "Conditioning",
    "Denoiser",
    "EngineRegistry",
    "Family",
    "LatentResize",
    "Levels",
    "Model",
    "Noise",
    "Pace",
    "PictureResize",
    "PreviewDecoder",
    "PreviewInfo",
    "Resize",
    "Route",
    "Sampler",
    "SamplerEntry",
    "SamplerInfo",
    "Schedule",
    "ScheduleInfo",
    "ServerRegistry",
    "Step",
    "Tab",
    "TextEncoder",
    "UpscalerFamily",
    "UpscalerInfo",
    "UpscalerKind",
    "UpscalerNetwork",
    "WholeTextEncoder",
    "Written",
]

# --- the engine ----------------------------------------------------------------------------------


class Denoiser(Protocol):
    """D(x; sigma) of Karras et al. 2022, section 2: the one signature everything meets at."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x (B, C, h, w) noisy latent, sigma () its noise level; returns the clean (B, C, h, w)."""


class Noise(Protocol):
    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """A standard normal draw (B, C, h, w) for the interval between two noise levels."""
        ...


class Pace(NamedTuple):
    """Where a sampler is that does not walk `sigmas` one by one."""

    sigma: float  # the noise level left after this step
    steps: int  # how many there will be in all, as far as it knows; exact at the last one
    ahead: float = 0.0  # how far it means to go next, for a sampler with its own step control


class Step(NamedTuple):
    """What a sampler yields; all of it is kept, and comes back as `past`."""

    x: Tensor  # (B, C, h, w) the latent after this step, still noisy until the last
    denoised: Tensor  # (B, C, h, w) the denoiser's guess of the clean latent at this step
    memory: Tensor | None = None  # (B, C, h, w) what else the sampler needs to go on, if anything
    pace: Pace | None = None  # None: step k leaves the noise level sigmas[k]


class Sampler(Protocol):
    def __call__(
        self,
        denoise: Denoiser,
        x: Tensor,
        sigmas: Tensor,
        noise: Noise,
        past: Sequence[Step] = (),
    ) -> Iterator[Step]:
        """Walks `sigmas` (n + 1,) down to 0 and yields a Step for each.

        `sigmas` is always the whole list. With k past steps it goes on at step k, and x
        (B, C, h, w) is the latent at noise level sigmas[k]. What people can set are keyword-only
        arguments after `past`.
        """
        ...


class Levels(Protocol):
    """The noise levels a model was trained on."""

    @property
    def flow(self) -> bool:
        """Whether noise is mixed in, (1 - sigma) * clean + sigma * noise, as in rectified flows;
        else it is added: clean + sigma * noise."""

    @property
    def sigmas(self) -> Tensor:
        """(T,) float32, rising."""

    @property
    def align_your_steps(self) -> Sequence[float]:
        """The family's published list of best noise levels, falling; empty if it has none."""

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """The (fractional) training timestep of each noise level; same shape."""

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """The inverse; same shape."""

    def shifted(self, shift: float | None) -> Levels:
        """The same, moved up by another shift than the model's own, None. Raises InvalidRequest
        where there is nothing to move."""


class Schedule(Protocol):
    def __call__(self, n: int, levels: Levels) -> Tensor:
        """(n + 1,) float32 sigmas, falling, the last one 0.

        What people can set are keyword-only arguments after `levels`.
        """


class Model(Protocol):
    """Weights that are loaded, and everything that depends on their family."""

    @property
    def levels(self) -> Levels: ...

    @property
    def latent_channels(self) -> int: ...

    @property
    def scale_factor(self) -> int:
        """Pixels per latent cell, each way."""

    @property
    def device(self) -> Any:
        """Where it works; its weights may wait elsewhere."""

    @property
    def text_encoders(self) -> Sequence[TextEncoder]:
        """What they make of a text stands side by side in the context's width."""

    @property
    def whole_text_encoder(self) -> WholeTextEncoder | None:
        """What it makes of a text stands beside that."""

    def painting(self, picture: Tensor, mask: Tensor) -> Model:
        """The model, told what it paints on: `picture` (1, 3, H, W) in [-1, 1], of which it is to
        see what lies where `mask` (1, 1, H, W) is below 0.5. One that is not made for that is
        itself; one that is must be told before it predicts."""

    @property
    def networks(self) -> Mapping[str, Any]:
        """What LoRAs can change, as diffusers calls the parts: "unet" or "transformer",
        "text_encoder", ..."""

    @property
    def vae(self) -> Autoencoder: ...

    @property
    def modules(self) -> Sequence[Any]:
        """All networks that have weights, the VAE's too."""

    def with_vae(self, path: Path | None) -> Model:
        """The same with the VAE of a file, or its own for None. Raises ModelRefused, naming it."""

    def attending(self, wrap: WrapAttention) -> AbstractContextManager[None] | None:
        """While it lasts the network's attentions are what `wrap` makes of them; None if it has
        none that can be wrapped."""

    def noised(self, clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        """`clean` (B, C, h, w) at noise level `sigma` (): where sampling starts."""

    def predict(
        self, x: Tensor, sigma: Tensor, conditionings: Sequence[Conditioning]
    ) -> Sequence[Tensor]:
        """The clean latent (B, C, h, w) for each conditioning, in one call of the network.

        Their contexts are equally long.
        """

    def shown(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`x` scaled as the network sees it, so that a noisy latent can be looked at."""

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) in [-1, 1], float32."""

    def decode_tiled(self, latents: Tensor) -> Tensor:
        """As `decode`, in overlapping tiles: less memory, nearly the same picture."""

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> latents (B, C, h, w), float32: the mean of what the VAE gives,
        so that a picture has one latent. The sides are multiples of `scale_factor`."""

    def encode_tiled(self, images: Tensor) -> Tensor:
        """As `encode`, in overlapping tiles: less memory, nearly the same latents."""

    def latent_to_rgb(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h, w) in [-1, 1]: a linear guess, one pixel per latent cell."""


class Family(Protocol):
    """Loads one kind of model; which kind a model is, the library tells by its structure."""

    def load(self, entry: ModelEntry, device: Any, dtype: Any) -> Model:
        """Raises ModelRefused, naming the file."""
        ...


@dataclass(frozen=True, slots=True)
class SamplerEntry:
    """A sampler as the engine knows it."""

    sample: Sampler
    automatic: str = "Uniform"  # the schedule that "Automatic" means for it
    drops_penultimate: bool = False  # one more step is scheduled, and the last but one left out
    noise: Literal["gaussian", "brownian"] = "gaussian"
    memory: bool = False  # its steps have one
    own_pace: bool = False  # it does not walk `sigmas` one by one: its steps have a pace
    plus_plus: bool = False  # CFG++: takes `unguided`, and a guidance scale from 0 to 1
    flow: Sampler | None = None  # how it walks the levels of a rectified flow; None: not at all


class PreviewDecoder(Protocol):
    def __call__(self, latents: Tensor, model: Model) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W) in [-1, 1]."""
        ...

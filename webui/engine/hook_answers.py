"""What extensions' hooks give back: held against what must come, numbers that are none blamed."""

import math
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from PIL import Image
from torch import Tensor

from webui.interfaces import Model, Pace, Step, UpscalerNetwork
from webui.interfaces.engine_hooks import PictureView

_MOST_PIXELS = 2**27
_MOST_SCALE = 16
_MODEL = (  # what the engine asks of one before it is used
    "levels", "latent_channels", "scale_factor", "text_encoders", "whole_text_encoder", "networks",
    "vae", "modules", "predict", "decode", "encode", "latent_to_rgb",
)  # fmt: skip


def is_finite(x: Tensor) -> bool:
    """Waits for the device."""
    return bool(x.isfinite().all())


def refused() -> NoReturn:
    """Raises ValueError."""
    raise ValueError("returned NaN or infinity")


def like(x: Tensor, made: object, width: int | None = None) -> Tensor:
    """Raises TypeError or ValueError for what cannot stand in its place."""
    if not isinstance(made, torch.Tensor):
        raise TypeError(f"must return a tensor, returned {type(made).__name__}")
    shape = x.shape if width is None else (*x.shape[:-1], width)
    if made.shape != shape:
        raise ValueError(f"must return {tuple(shape)}, returned {tuple(made.shape)}")
    return made.to(x)


def step_like(x: Tensor, made: object, memory: bool) -> Step:
    """A step of a sampler whose latents are as `x`, with a `memory` or without. Raises TypeError
    or ValueError."""
    for name in ("x", "denoised"):
        if not hasattr(made, name):
            raise TypeError(f"must yield steps with x and denoised, yielded {type(made).__name__}")
    given: Any = made
    kept = getattr(made, "memory", None)
    if (kept is not None) != memory:
        said = "have a memory, as its SamplerEntry says" if memory else "have no memory"
        raise ValueError(f"its steps must {said}")
    pace = getattr(made, "pace", None)
    if pace is not None:
        pace = Pace(float(pace.sigma), int(pace.steps), float(pace.ahead))
        if not (math.isfinite(pace.sigma) and pace.sigma >= 0 and pace.steps > 0):
            raise ValueError(f"its pace cannot be: {pace}")
    past = like(x, kept) if memory else None
    return Step(like(x, given.x), like(x, given.denoised), past, pace)


def levels_like(n: int, made: object) -> Tensor:
    """(n + 1,) float32, on the CPU. Raises TypeError or ValueError for what is no way down to 0."""
    if not isinstance(made, torch.Tensor):
        raise TypeError(f"must return a tensor, returned {type(made).__name__}")
    if made.shape != (n + 1,):
        raise ValueError(f"must return {(n + 1,)}, returned {tuple(made.shape)}")
    levels = made.detach().to("cpu", torch.float32)
    falling = bool((levels[1:] <= levels[:-1]).all()) and bool(levels[-1] == 0)
    if not (is_finite(levels) and falling):
        raise ValueError("must return levels of noise that fall to 0")
    return levels


def resized(made: object, size: tuple[int, int]) -> Image.Image:
    """RGB. Raises TypeError or ValueError for a picture that is not (width, height)."""
    if not isinstance(made, Image.Image):
        raise TypeError(f"must return a picture, returned {type(made).__name__}")
    if made.size != size:
        raise ValueError(
            f"must return {size[0]} x {size[1]} pixels, returned {made.width} x {made.height}"
        )
    return made.convert("RGB")


def network_of(made: Any) -> UpscalerNetwork:
    """Raises TypeError for what makes no picture larger."""
    scale = getattr(made, "scale", None)
    if type(scale) is not int or not 1 <= scale <= _MOST_SCALE or not callable(made):
        raise TypeError(
            f"must give a network with a scale from 1 to {_MOST_SCALE}, gave {type(made).__name__}"
        )
    network: UpscalerNetwork = made
    return network


def model_of(made: Any) -> Model:
    """Raises TypeError for what is no model."""
    missing = [name for name in _MODEL if not hasattr(made, name)]
    if missing:
        raise TypeError(f"must give a Model, gave {type(made).__name__} without {missing[0]}")
    model: Model = made
    return model


def drawn(made: object, latents: Tensor) -> Tensor:
    """A preview of these latents (B, C, h, w): (B, 3, H, W), float32. Raises TypeError or
    ValueError."""
    if not isinstance(made, torch.Tensor):
        raise TypeError(f"must return a tensor, returned {type(made).__name__}")
    if made.dim() != 4 or made.shape[:2] != (len(latents), 3):
        raise ValueError(f"must return ({len(latents)}, 3, H, W), returned {tuple(made.shape)}")
    if not 0 < made.numel() <= 3 * _MOST_PIXELS:
        raise ValueError(f"returned pictures of {made.shape[-1]} x {made.shape[-2]}")
    if not is_finite(made):
        refused()
    return made.to(latents.device, torch.float32)


def operated(
    apply: Callable[[Image.Image, PictureView], object], picture: Image.Image, view: PictureView
) -> Image.Image:
    made = apply(picture.copy(), view)
    if not isinstance(made, Image.Image):
        raise TypeError(f"must return a picture, returned {type(made).__name__}")
    if made.width * made.height > _MOST_PIXELS:
        raise ValueError(f"returned a picture of {made.width} x {made.height}")
    return made.convert("RGB")


class Spoilt:
    """Who made something that is not finite of what was; asked once for many attentions, so that
    the device is waited for once."""

    def __init__(self) -> None:
        self._by: dict[str, Tensor] = {}  # extension -> () bool, on the device

    def of(self, *given: Tensor) -> Tensor:
        """() bool: whether it was so before."""
        return torch.stack([~each.isfinite().all() for each in given]).any()

    def add(self, owner: str, given: Tensor, made: Tensor) -> None:
        """`given` as `of` said, before the extension had it."""
        spoilt = ~made.isfinite().all() & ~given
        self._by[owner] = self._by[owner] | spoilt if owner in self._by else spoilt

    def taken(self) -> list[str]:
        """The extensions that did, and forgets them."""
        found = [owner for owner, spoilt in self._by.items() if bool(spoilt)]
        self._by.clear()
        return found

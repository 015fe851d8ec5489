"""What makes pictures or latents larger: what an upscaler has to look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from webui.upscalers import UpscalerFile


@dataclass(frozen=True, slots=True)
class PictureResize:
    """An upscaler of pictures that needs no file."""

    resize: Callable[[Image.Image, tuple[int, int]], Image.Image]  # to (width, height)


@dataclass(frozen=True, slots=True)
class LatentResize:
    """An upscaler of latents (B, C, h, w), for a second pass alone."""

    resize: Callable[[Tensor, tuple[int, int]], Tensor]  # to (h, w)


Resize = PictureResize | LatentResize  # what needs no file


class UpscalerNetwork(Protocol):
    """A network that makes pictures larger, with its weights."""

    @property
    def scale(self) -> int:
        """How much larger; 1 for one that only restores."""
        ...

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) in [0, 1], on the CPU, -> (1, 3, h * scale, w * scale), float32, there."""
        ...


class UpscalerFamily(Protocol):
    """Recognises a kind of upscaler by its file's header and loads it."""

    def recognises(self, file: UpscalerFile) -> bool: ...

    def load(self, file: UpscalerFile, device: Any, dtype: Any) -> UpscalerNetwork:
        """Raises ModelRefused, naming the file."""
        ...

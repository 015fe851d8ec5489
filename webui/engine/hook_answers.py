"""What extensions' hooks give back: held against what must come, numbers that are none blamed."""

from collections.abc import Callable
from typing import NoReturn

import torch
from PIL import Image
from torch import Tensor

from webui.interfaces.engine_hooks import PictureView

_MOST_PIXELS = 2**27


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

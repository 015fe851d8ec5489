"""The parts of a request that say which picture it begins with, and what becomes of its pictures.

A picture enters as the sha256 of a file in the input store (`webui.inputs`), so that a request
stays a small value and its pixels are fixed.
"""

from dataclasses import dataclass
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import shown
from webui.request.parts import SHA256, check_part


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Where a picture is made anew: white is repainted, black is kept."""

    picture: str  # sha256 of a picture of the same size as the one it lies on; its grey counts
    inverted: bool = False  # black is repainted instead
    blur: int = 4  # pixels, the standard deviation of the Gaussian
    content: str = "original"
    area: str = "whole picture"
    padding: int = 32  # pixels, where only the masked part is made
    soft: bool = False  # grey repaints late: differential diffusion, arXiv:2306.00950

    def __post_init__(self) -> None:
        _check_picture("init.mask.picture", self.picture)
        _check_flags("init.mask", self, "inverted", "soft")
        check_part("init.mask", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outpaint:
    """The picture grown by some pixels on each side; the new part is made, the old one kept."""

    left: int = 0
    right: int = 0
    up: int = 0
    down: int = 0
    blend: int = 16  # pixels of the old picture over which the new part fades in

    def __post_init__(self) -> None:
        check_part("init.outpaint", self)
        if not (self.left or self.right or self.up or self.down):
            raise InvalidRequest("init.outpaint", "must grow at least one side; try left 64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The picture made larger, then made anew tile by tile; a tile has the request's size."""

    scale: float = 2.0
    upscaler: str = "Lanczos"
    overlap: int = 64  # pixels

    def __post_init__(self) -> None:
        check_part("init.tiles", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """The result made anew several times; each loop's picture is saved."""

    loops: int = 4
    final_strength: float = 0.5
    curve: str = "linear"
    stop_after: int = 0  # the loop whose picture is the last one; 0: all are made

    def __post_init__(self) -> None:
        check_part("init.loopback", self)
        if type(self.stop_after) is not int or not 0 <= self.stop_after <= self.loops:
            raise InvalidRequest(
                "init.loopback.stop_after",
                f"must be a whole number from 0 to {self.loops}, got {shown(self.stop_after)}",
            )

    @property
    def made(self) -> int:
        """How many of the loops are made."""
        return self.stop_after or self.loops


@dataclass(frozen=True, slots=True, kw_only=True)
class InitImage:
    """The picture that a request begins with: img2img; with a mask, inpainting."""

    picture: str  # sha256
    strength: float = 0.75
    exact_steps: bool = False  # makes all `steps`; otherwise floor(strength * steps) + 1 of them
    resize: str = "just resize"
    noise_multiplier: float = 1.0
    mask: Mask | None = None
    outpaint: Outpaint | None = None
    tiles: Tiles | None = None
    loopback: Loopback | None = None

    def __post_init__(self) -> None:
        _check_picture("init.picture", self.picture)
        _check_flags("init", self, "exact_steps")
        check_part("init", self)
        for name, kind in INIT_PARTS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise InvalidRequest(
                    f"init.{name}", f"must be a JSON object or null, got {shown(value)}"
                )
        if self.tiles is not None and (self.mask or self.outpaint or self.loopback):
            raise InvalidRequest("init.tiles", "goes with neither a mask nor outpainting nor loops")
        if self.loopback is not None and self.outpaint is not None:
            raise InvalidRequest("init.loopback", "goes not with outpainting, which would grow on")
        if self.outpaint is not None and self.mask is not None:
            raise InvalidRequest("init.outpaint", "has a mask of its own; leave init.mask out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """A second pass at a larger size. None is what the first pass has."""

    upscaler: str = "Latent"
    scale: float = 2.0
    width: int = 0  # pixels; 0: by the scale, or by the height and the picture's shape
    height: int = 0
    steps: int = 0  # 0: as many as the first pass
    strength: float = 0.7
    sampler: str | None = None
    schedule: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    guidance_scale: float | None = None
    picture: str | None = None  # sha256 of a finished first pass, which is not made again then

    def __post_init__(self) -> None:
        check_part("hires", self)
        if self.picture is not None:
            _check_picture("hires.picture", self.picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """A picture made larger; nothing is generated."""

    picture: str  # sha256
    upscaler: str = "Lanczos"
    scale: float = 2.0
    width: int = 0  # pixels; 0: by the scale, or by the height and the picture's shape
    height: int = 0
    crop: bool = False  # where both are given: cut to their shape instead of fitting into them
    second: str | None = None
    second_visibility: float = 0.0

    def __post_init__(self) -> None:
        _check_picture("upscale.picture", self.picture)
        _check_flags("upscale", self, "crop")
        check_part("upscale", self)


INIT_PARTS: dict[str, Any] = {
    "mask": Mask,
    "outpaint": Outpaint,
    "tiles": Tiles,
    "loopback": Loopback,
}


def _check_flags(prefix: str, part: Any, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        if not isinstance(value, bool):
            raise InvalidRequest(f"{prefix}.{name}", f"must be true or false, got {shown(value)}")


def _check_picture(name: str, value: object) -> None:
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise InvalidRequest(
            name, f"must be the sha256 of a picture that was sent in, got {shown(value)}"
        )

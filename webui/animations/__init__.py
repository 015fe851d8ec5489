"""Frames as one file: MP4, animated WebP, GIF, or all on one sheet. Knows only Pillow's images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image

from webui.animations.animated import gif, webp
from webui.animations.mp4 import mp4
from webui.animations.sheet import labelled, sheet

__all__ = ["FORMATS", "Animation", "labelled", "sheet"]


@dataclass(frozen=True, slots=True)
class Animation:
    encode: Callable[[Sequence[Image.Image], float], bytes]  # frames of one size, and how many a
    # second; RGB
    media_type: str


FORMATS: Mapping[str, Animation] = MappingProxyType(
    {
        "mp4": Animation(mp4, "video/mp4"),
        "webp": Animation(webp, "image/webp"),
        "gif": Animation(gif, "image/gif"),
        "sheet": Animation(lambda frames, _: sheet(frames), "image/jpeg"),
    }
)

"""Real-ESRGAN's small network, SRVGGNetCompact: a row of convolutions at the picture's own size,
whose last one's channels become pixels and are added to the picture, its pixels repeated."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from webui.engine.weights import LoadedNetwork, loaded
from webui.interfaces import UpscalerNetwork
from webui.upscalers import Layout, UpscalerFile


class Compact:
    """Recognises and loads the family."""

    def recognises(self, file: UpscalerFile) -> bool:
        return file.layout is not None and file.layout.architecture == "Compact"

    def load(self, file: UpscalerFile, device: torch.device, dtype: torch.dtype) -> UpscalerNetwork:
        """Raises ModelRefused, naming the file."""
        return LoadedNetwork(loaded(SRVGGNetCompact, file, device, dtype), device, dtype)


class SRVGGNetCompact(nn.Module):
    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.scale, features = layout.scale, layout.features
        parts: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(layout.blocks):
            parts += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        parts.append(nn.Conv2d(features, 3 * layout.scale**2, 3, padding=1))
        self.body = nn.Sequential(*parts)

    def forward(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) in [0, 1] -> (1, 3, h * scale, w * scale)."""
        added = pixel_shuffle(self.body(pixels), self.scale)
        return added + interpolate(pixels, scale_factor=self.scale, mode="nearest")

"""ESRGAN's RRDBNet: Wang et al. 2018 (arXiv:1809.00219), figures 3 and 4, and Real-ESRGAN's
(arXiv:2107.10833), which folds pixels into channels first where it makes pictures 2 or 1 times as
large. The names of the parts are those of Real-ESRGAN's files."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pad, pixel_unshuffle

from webui.engine.weights import LoadedNetwork, loaded
from webui.interfaces import UpscalerNetwork
from webui.upscalers import Layout, UpscalerFile

_RESIDUAL = 0.2  # beta of the paper's residual scaling
_SLOPE = 0.2  # of LeakyReLU


class Esrgan:
    """Recognises and loads the family."""

    def recognises(self, file: UpscalerFile) -> bool:
        return file.layout is not None and file.layout.architecture == "ESRGAN"

    def load(self, file: UpscalerFile, device: torch.device, dtype: torch.dtype) -> UpscalerNetwork:
        """Raises ModelRefused, naming the file."""
        return LoadedNetwork(loaded(RRDBNet, file, device, dtype), device, dtype)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class _Dense(nn.Module):
    """Five convolutions, each of which sees what all before it saw and made."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for k in range(5):
            outputs = growth if k < 4 else features
            self.add_module(f"conv{k + 1}", _convolution(features + k * growth, outputs))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for k in range(1, 5):
            made = leaky_relu(self.get_submodule(f"conv{k}")(seen), _SLOPE)
            seen = torch.cat([seen, made], dim=1)
        last: Tensor = self.get_submodule("conv5")(seen)
        return x + _RESIDUAL * last


class _ResidualInResidual(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for k in range(3):
            self.add_module(f"rdb{k + 1}", _Dense(features, growth))

    def forward(self, x: Tensor) -> Tensor:
        made = x
        for dense in self.children():
            made = dense(made)
        return x + _RESIDUAL * made


class RRDBNet(nn.Module):
    def __init__(self, layout: Layout) -> None:
        super().__init__()
        features = layout.features
        self.scale = layout.scale
        self._unshuffle, self._ups = layout.unshuffle, layout.ups
        self.conv_first = _convolution(3 * layout.unshuffle**2, features)
        blocks = [_ResidualInResidual(features, layout.growth) for _ in range(layout.blocks)]
        self.body = nn.Sequential(*blocks)
        self.conv_body = _convolution(features, features)
        for k in range(layout.ups):
            self.add_module(f"conv_up{k + 1}", _convolution(features, features))
        self.conv_hr = _convolution(features, features)
        self.conv_last = _convolution(features, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) in [0, 1] -> (1, 3, h * scale, w * scale)."""
        height, width = pixels.shape[2:]
        first = self.conv_first(self._folded(pixels))
        x = first + self.conv_body(self.body(first))
        for k in range(1, self._ups + 1):
            x = interpolate(x, scale_factor=2, mode="nearest")
            x = leaky_relu(self.get_submodule(f"conv_up{k}")(x), _SLOPE)
        made: Tensor = self.conv_last(leaky_relu(self.conv_hr(x), _SLOPE))
        return made[:, :, : height * self.scale, : width * self.scale]

    def _folded(self, pixels: Tensor) -> Tensor:
        """Squares of pixels as channels; a picture that they do not fill goes on as its edge."""
        side = self._unshuffle
        if side == 1:
            return pixels
        height, width = pixels.shape[2:]
        filled = pad(pixels, (0, -width % side, 0, -height % side), mode="replicate")
        return pixel_unshuffle(filled, side)

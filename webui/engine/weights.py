"""The weights of an upscaler's file, checked, in a network on its device."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from webui.engine.device import is_out_of_memory, settled
from webui.errors import ModelRefused
from webui.upscalers import Layout, UpscalerFile


class _Scaling(Protocol):
    scale: Any

    def __call__(self, pixels: Tensor) -> Tensor: ...


class LoadedNetwork:
    """An `UpscalerNetwork`: pixels go to the device and come back."""

    def __init__(self, network: _Scaling, device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._device = device
        self._dtype = dtype

    @property
    def scale(self) -> int:
        return int(self._network.scale)

    def __call__(self, pixels: Tensor) -> Tensor:
        return self._network(pixels.to(self._device, self._dtype)).float().cpu()


def loaded(
    kind: Callable[[Layout], nn.Module],
    file: UpscalerFile,
    device: torch.device,
    dtype: torch.dtype,
) -> Any:
    """A network of that kind with the file's weights. Raises ModelRefused, naming the file."""
    if file.layout is None:
        raise ModelRefused(f"{file.name}: {file.problem or 'is of no kind that is known'}")
    with torch.device("meta"):
        network = kind(file.layout)
    try:
        with safe_open(file.path, "pt") as tensors:
            state = {
                ours: tensors.get_tensor(theirs).to(dtype)
                for ours, theirs in file.layout.names.items()
            }
        network.load_state_dict(state, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise refused(file, error) from error
    check_finite(file, network)
    return settled(network, device)


def check_finite(file: UpscalerFile, network: nn.Module) -> None:
    """Raises ModelRefused for weights with NaN or Inf among them."""
    for name, weight in network.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise ModelRefused(f"{file.name}: its weights hold NaN or Inf, in {name}")


def refused(file: UpscalerFile, error: Exception) -> ModelRefused:
    """What a loader makes of a file, in a line."""
    text = str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
    return ModelRefused(f"{file.name}: {text}")

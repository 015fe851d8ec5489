"""Everything else that the package spandrel loads: DAT, SwinIR, HAT and many more.

It is no dependency, because it needs torchvision; where it is not installed, `webui.upscalers`
says so. It is given tensors alone, so none of its readers of pickles is ever used.
"""

from typing import Any

import torch
from safetensors.torch import load_file

from webui.engine.device import is_out_of_memory
from webui.engine.weights import LoadedNetwork, check_finite, refused
from webui.errors import ModelRefused
from webui.interfaces import UpscalerNetwork
from webui.upscalers import SPANDREL, UpscalerFile


class Spandrel:
    """Recognises and loads what no other family is."""

    def recognises(self, file: UpscalerFile) -> bool:
        return file.layout is None

    def load(self, file: UpscalerFile, device: torch.device, dtype: torch.dtype) -> UpscalerNetwork:
        """Raises ModelRefused, naming the file."""
        try:
            import spandrel  # here, because it may not be installed
        except ImportError:
            raise ModelRefused(f"{file.name}: {SPANDREL}") from None
        except Exception as error:  # a torchvision that does not belong to this torch raises others
            raise refused(file, error) from error
        try:
            state = spandrel.canonicalize_state_dict(load_file(file.path))
            network = spandrel.ModelLoader("cpu").load_from_state_dict(state)
        except Exception as error:  # of some forty networks' code, which raises what it likes
            if is_out_of_memory(error):
                raise
            raise refused(file, error) from error
        if not isinstance(network, spandrel.ImageModelDescriptor):
            raise ModelRefused(f"{file.name}: it makes no picture of a picture alone")
        _check(file, network)
        half = {torch.float16: network.supports_half, torch.bfloat16: network.supports_bfloat16}
        held = dtype if half.get(dtype, True) else torch.float32
        return LoadedNetwork(network.to(device, held).eval(), device, held)


def _check(file: UpscalerFile, network: Any) -> None:
    """Raises ModelRefused for a network of other pictures, or with NaN in it."""
    channels = (network.input_channels, network.output_channels)
    if channels != (3, 3):
        raise ModelRefused(
            f"{file.name}: it makes {channels[1]} channels of {channels[0]}; only colour pictures "
            "can be made larger"
        )
    check_finite(file, network.model)

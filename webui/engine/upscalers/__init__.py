"""The shelf of upscalers: one file for each, one line in one of these tables.

Nobody knows the others, nor where files lie.
"""

from collections.abc import Mapping
from types import MappingProxyType

from webui.engine.upscalers.by_spandrel import Spandrel
from webui.engine.upscalers.compact import Compact
from webui.engine.upscalers.esrgan import Esrgan
from webui.engine.upscalers.lanczos import lanczos
from webui.engine.upscalers.latent import MODES
from webui.engine.upscalers.nearest import nearest
from webui.interfaces import LatentResize, PictureResize, Resize, UpscalerFamily

UPSCALERS: Mapping[str, Resize] = MappingProxyType(
    {
        **{name: LatentResize(mode) for name, mode in MODES.items()},
        "Lanczos": PictureResize(lanczos),
        "Nearest": PictureResize(nearest),
    }
)
UPSCALER_FAMILIES: Mapping[str, UpscalerFamily] = MappingProxyType(
    {"ESRGAN": Esrgan(), "Compact": Compact(), "spandrel": Spandrel()}
)

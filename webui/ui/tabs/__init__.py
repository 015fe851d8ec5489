"""The shelf of tabs: one file for each, one line in this table."""

from collections.abc import Sequence

from webui.interfaces import Tab
from webui.ui.tabs.extensions import Extensions
from webui.ui.tabs.extras import Upscaling
from webui.ui.tabs.img2img import ImageToImage
from webui.ui.tabs.inpaint import Inpaint
from webui.ui.tabs.models import Models
from webui.ui.tabs.pnginfo import PngInfo
from webui.ui.tabs.txt2img import TextToImage

TABS: Sequence[Tab] = (
    TextToImage(),
    ImageToImage(),
    Inpaint(),
    Upscaling(),
    PngInfo(),
    Models(),
    Extensions(),
)

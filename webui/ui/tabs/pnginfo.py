"""The tab that looks into a picture: what it carries, raw and as a recipe.

All of it happens in the browser (pnginfo.js), which asks `api/v1/recipes`.
"""

from webui.services import Services
from webui.ui.live import drawn, read, script
from webui.ui.quick_settings import QuickSettings


class PngInfo:
    id = "pnginfo"
    title = "PNG Info"

    def build(self, services: Services, quick: QuickSettings) -> None:
        drawn(read("pnginfo.html"), script("pngInfo", "element"), "pnginfo_panel")

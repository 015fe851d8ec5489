"""The tab that looks into a picture: what it carries, raw and as a recipe.

All of it happens in the browser (pnginfo.js), which asks `api/v1/recipes`.
"""

from pathlib import Path

import gradio as gr

from webui.services import Services
from webui.ui.live import script
from webui.ui.quick_settings import QuickSettings

SKELETON = Path(__file__).parents[1] / "pnginfo.html"


class PngInfo:
    id = "pnginfo"
    title = "PNG Info"

    def build(self, services: Services, quick: QuickSettings) -> None:
        gr.HTML(
            html_template=SKELETON.read_text(encoding="utf-8"),
            js_on_load=script("pngInfo", "element"),
            elem_id="pnginfo_panel",
            apply_default_css=False,
        )

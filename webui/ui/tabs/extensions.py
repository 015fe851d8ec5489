"""The tab that lists the extensions: how each is, what it took, what went wrong, on and off.

All of it happens in the browser (extensions.js), which asks `api/v1/extensions`.
"""

from pathlib import Path

import gradio as gr

from webui.services import Services
from webui.ui.live import script
from webui.ui.quick_settings import QuickSettings

SKELETON = Path(__file__).parents[1] / "extensions.html"


class Extensions:
    id = "extensions"
    title = "Extensions"

    def build(self, services: Services, quick: QuickSettings) -> None:
        gr.HTML(
            html_template=SKELETON.read_text(encoding="utf-8"),
            js_on_load=script("extensions", "element"),
            elem_id="extensions_panel",
            apply_default_css=False,
        )

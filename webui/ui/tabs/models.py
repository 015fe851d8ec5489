"""The tab of the models that people own, with each file's report, and of those that they get.

All of it happens in the browser (models.js), which asks `api/v1/shelf` and `api/v1/models`.
"""

from pathlib import Path

import gradio as gr

from webui.services import Services
from webui.ui import downloads
from webui.ui.live import script
from webui.ui.quick_settings import QuickSettings

SKELETON = Path(__file__).parents[1] / "models.html"


class Models:
    id = "models"
    title = "Models"

    def build(self, services: Services, quick: QuickSettings) -> None:
        gr.HTML(
            html_template=SKELETON.read_text(encoding="utf-8"),
            js_on_load=script("models", "element"),
            elem_id="models_panel",
            apply_default_css=False,
        )
        downloads.panel()

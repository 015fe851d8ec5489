"""The tab of the models that people own, and of those that they get."""

import gradio as gr

from webui.services import Services
from webui.ui import downloads


class Models:
    id = "models"
    title = "Models"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        downloads.panel()

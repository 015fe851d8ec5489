"""The tab that makes pictures from a picture."""

from types import MappingProxyType

import gradio as gr

from webui.services import Services
from webui.ui import generating, settings
from webui.ui.form import Form


class ImageToImage:
    id = "img2img"
    title = "img2img"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        desk = generating.desk(self.id)
        made = settings.build(self.id, services, model)
        fields = Form(self.id, MappingProxyType({"model": model, **desk.boxes, **made}))
        generating.connect(services, fields, desk)

"""The tab that makes a part of a picture anew."""

from types import MappingProxyType

import gradio as gr

from webui.services import Services
from webui.ui import canvas, generating, settings
from webui.ui.form import Form


class Inpaint:
    id = "inpaint"
    title = "Inpaint"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        desk = generating.desk(self.id)
        canvas.panel(self.id, "Mask")
        made = settings.build(self.id, services, model)
        fields = Form(self.id, MappingProxyType({"model": model, **desk.boxes, **made}))
        generating.connect(services, fields, desk)

"""The tab that makes a part of a picture anew, or more around it, or what is sketched on it."""

from types import MappingProxyType

import gradio as gr

from webui.services import Services
from webui.ui import generating, inpainting
from webui.ui.form import Form


class Inpaint:
    id = "inpaint"
    title = "Inpaint"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        desk = generating.desk(self.id)
        drawn = inpainting.easel(self.id)
        made = inpainting.sheet(self.id, services, model)
        shown = {"model": model, **desk.boxes, **drawn, **made}
        generating.connect(services, Form(self.id, MappingProxyType(shown)), desk)

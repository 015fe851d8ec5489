"""The tab that makes pictures from a picture, or from each of several."""

from types import MappingProxyType

import gradio as gr

from webui.services import Services
from webui.ui import canvas, from_picture, generating, picker
from webui.ui.form import Form


class ImageToImage:
    id = "img2img"
    title = "img2img"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        desk = generating.desk(self.id)
        pictures = {"init.picture": picker.build(self.id, "init.picture", sketched=True)}
        # what is painted on it becomes the picker's picture (sketch.js)
        sketch = f"{self.id}_sketch"
        canvas.panel(sketch, sketch, "Colours", ("paint",), "sketch")
        made = from_picture.build(self.id, services, model)
        shown = {"model": model, **desk.boxes, **pictures, **made}
        generating.connect(services, Form(self.id, MappingProxyType(shown)), desk)

"""The tab that makes pictures from a picture, or from each of several."""

from types import MappingProxyType

from webui.services import Services
from webui.ui import canvas, from_picture, generating, groups, picker
from webui.ui.form import Form
from webui.ui.quick_settings import QuickSettings


class ImageToImage:
    id = "img2img"
    title = "img2img"

    def build(self, services: Services, quick: QuickSettings) -> None:
        desk = generating.desk(self.id)
        pictures = {"init.picture": picker.build(self.id, "init.picture", sketched=True)}
        # what is painted on it becomes the picker's picture (sketch.js)
        sketch = f"{self.id}_sketch"
        canvas.panel(sketch, sketch, "Colours", ("paint",), "sketch")
        made = from_picture.build(self.id, services, quick)
        shown = {**quick.fields, **desk.boxes, **pictures, **made}
        fields = Form(self.id, MappingProxyType(shown), groups.fields(services.registry))
        generating.connect(services, fields, desk)
        generating.follow_model(services, quick, fields)

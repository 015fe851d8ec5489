"""The tab that makes a part of a picture anew, or more around it, or what is sketched on it."""

from types import MappingProxyType

from webui.services import Services
from webui.ui import generating, groups, inpainting
from webui.ui.form import Form
from webui.ui.quick_settings import QuickSettings


class Inpaint:
    id = "inpaint"
    title = "Inpaint"

    def build(self, services: Services, quick: QuickSettings) -> None:
        desk = generating.top(self.id)
        drawn = inpainting.easel(self.id)  # the picture before what is rarely opened
        desk = generating.with_lenses(self.id, desk)
        made = inpainting.sheet(self.id, services, quick)
        shown = {**quick.fields, **desk.boxes, **drawn, **made}
        fields = Form(self.id, MappingProxyType(shown), groups.fields(services.registry))
        generating.connect(services, fields, desk)
        generating.follow_model(services, quick, fields)

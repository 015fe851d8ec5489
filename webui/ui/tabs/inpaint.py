"""The tab that makes a part of a picture anew."""

from webui.services import Services
from webui.ui import canvas


class Inpaint:
    id = "inpaint"
    title = "Inpaint"

    def build(self, services: Services) -> None:
        canvas.panel(self.id, "Mask")

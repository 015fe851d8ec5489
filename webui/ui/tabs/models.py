"""The tab of the models that people own, with each file's report, and of those that they get.

All of it happens in the browser (models.js), which asks `api/v1/shelf` and `api/v1/models`.
"""

from webui.services import Services
from webui.ui import downloads
from webui.ui.live import drawn, read, script
from webui.ui.quick_settings import QuickSettings


class Models:
    id = "models"
    title = "Models"

    def build(self, services: Services, quick: QuickSettings) -> None:
        drawn(read("models.html"), script("models", "element"), "models_panel")
        downloads.panel()

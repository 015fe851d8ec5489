"""The tab that lists the extensions: how each is, what it took, what went wrong, on and off.

All of it happens in the browser (extensions.js), which asks `api/v1/extensions`.
"""

from webui.services import Services
from webui.ui.live import drawn, read, script
from webui.ui.quick_settings import QuickSettings


class Extensions:
    id = "extensions"
    title = "Extensions"

    def build(self, services: Services, quick: QuickSettings) -> None:
        drawn(read("extensions.html"), script("extensions", "element"), "extensions_panel")

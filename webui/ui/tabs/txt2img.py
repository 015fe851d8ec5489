"""The tab that makes pictures from text."""

from types import MappingProxyType

from gradio.components import Component

from webui.services import Services
from webui.ui import generating, groups, second_pass, settings
from webui.ui.form import Form
from webui.ui.quick_settings import QuickSettings


class TextToImage:
    id = "txt2img"
    title = "txt2img"

    def build(self, services: Services, quick: QuickSettings) -> None:
        desk = generating.desk(self.id)
        shown = {**quick.fields, **desk.boxes, **sheet(self.id, services, quick)}
        fields = Form(self.id, MappingProxyType(shown), groups.fields(services.registry))
        generating.connect(services, fields, desk)
        generating.follow_model(services, quick, fields)


def sheet(tab: str, services: Services, quick: QuickSettings) -> dict[str, Component]:
    """All settings but the prompts, by the names of their fields."""
    with settings.panel(tab):
        components = settings.sampling(tab, services.registry, quick)
        components |= settings.size(tab, quick)
        components |= settings.batches(tab, quick)
        components |= settings.seed(tab)
        components |= second_pass.build(tab, services)
        components |= settings.folds(tab, services, quick, components)
    return components

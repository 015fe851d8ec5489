"""The tab that makes pictures from text."""

from types import MappingProxyType

import gradio as gr
from gradio.components import Component

from webui.services import Services
from webui.ui import generating, second_pass, settings
from webui.ui.form import Form


class TextToImage:
    id = "txt2img"
    title = "txt2img"

    def build(self, services: Services, model: gr.Dropdown) -> None:
        desk = generating.desk(self.id)
        shown = {"model": model, **desk.boxes, **sheet(self.id, services, model)}
        generating.connect(services, Form(self.id, MappingProxyType(shown)), desk)


def sheet(tab: str, services: Services, model: gr.Dropdown) -> dict[str, Component]:
    """All settings but the prompts, by the names of their fields."""
    with settings.panel(tab):
        components = settings.sampling(tab, services.registry)
        components |= settings.size(tab, services.library, model)
        components |= settings.batches(tab)
        components |= settings.seed(tab)
        components |= second_pass.build(tab, services)
        components |= settings.folds(tab, services.registry, components)
    return components

"""The tab that makes pictures larger: A1111's Extras, of which this is what people use.

Each picture is a job of the line like any other, and nothing is generated.
"""

from types import MappingProxyType

import gradio as gr
from gradio.components import Component

from webui.services import Services
from webui.ui import boxes, from_picture, generating, options, picker, settings
from webui.ui.element_ids import SECOND_FOLD
from webui.ui.form import Form
from webui.ui.quick_settings import QuickSettings


class Upscaling:
    id = "extras"
    title = "Upscale"

    def build(self, services: Services, quick: QuickSettings) -> None:
        desk = generating.bare_desk(self.id, self.title)
        shown: dict[str, Component] = {
            "upscale.picture": picker.build(self.id, "upscale.picture"),
            **_settings(self.id, services),
        }
        generating.connect(services, Form(self.id, MappingProxyType(shown)), desk)


def _settings(tab: str, services: Services) -> dict[str, Component]:
    with settings.panel(tab):
        name = "upscale.upscaler"
        components: dict[str, Component] = {name: from_picture.upscaler(tab, name, services)}
        with gr.Column(elem_id=f"{tab}_size", elem_classes=["dk-stack", "dk-size"]):
            components["upscale.mode"] = boxes.segments(tab, "upscale.mode")
            components["upscale.scale"] = boxes.slider(tab, "upscale.scale")
            with gr.Row(elem_classes=["dk-grid", "dk-to-size"]):
                for name in ("upscale.width", "upscale.height"):
                    components[name] = boxes.optional(tab, name, "By the other side")
            components["upscale.crop"] = boxes.flag(tab, "upscale.crop")
            from_picture.said(f"{tab}_size_said")
        with options.fold("Second upscaler", tab, SECOND_FOLD):
            name = "upscale.second"
            components[name] = from_picture.upscaler(tab, name, services, nothing="None")
            name = "upscale.second_visibility"
            components[name] = boxes.slider(tab, name)
    return components

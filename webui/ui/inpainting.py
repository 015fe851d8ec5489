"""The Inpaint tab's parts: the canvas, what the model sees of it, settings of masks and frames.

Pixels never pass through Gradio. The browser sends the picture and the mask to the input store; the
two components' values are what it answered, as JSON, so that drafts, recipes and Undo treat them
as any other value (inpaint.js).
"""

import gradio as gr
from gradio.components import Component

from webui.services import Services
from webui.ui import boxes, canvas, form, from_picture, settings
from webui.ui.live import drawn, read, script
from webui.ui.quick_settings import QuickSettings

Components = dict[str, Component]
_SIDES = ("left", "right", "up", "down")


def easel(tab: str) -> Components:
    """What is made of the picture; the picture itself; and what the model sees of both."""
    mode = boxes.segments(tab, "init.mode")
    element = form.element_id(tab, "init.picture")
    picture = canvas.panel(element, tab, "Mask and colours", ("paint", "mask"), "inpaintCanvas")
    mask = drawn(
        read("seen.html"),
        script("inpaintMask", f"element, {tab!r}, props, watch, () => trigger('change')"),
        form.element_id(tab, "init.mask.picture"),
        ["dk-seen-panel", "dk-field"],
        value="",
    )
    return {"init.mode": mode, "init.picture": picture, "init.mask.picture": mask}


def sheet(tab: str, services: Services, quick: QuickSettings) -> Components:
    """All settings, in the order in which they are read."""
    with settings.panel(tab):
        components = from_picture.strength(tab)
        components |= _mask(tab)
        components |= _outpaint(tab)
        components |= settings.sampling(tab, services.registry, quick)
        with gr.Column(elem_classes="dk-not-outpaint"):
            components |= from_picture.resize(tab)
        components |= from_picture.size(tab, quick)
        components |= settings.batches(tab, quick)
        components |= settings.seed(tab)
        components |= settings.folds(tab, services, quick, components)
    return components


def _mask(tab: str) -> Components:
    components: Components = {}
    with gr.Column(elem_classes=["dk-stack", "dk-only-inpaint"]):
        with gr.Row(elem_classes="dk-pair"):
            for name in ("init.mask.content", "init.mask.area"):
                names = [(each.capitalize(), each) for each in form.choices(name)]
                default = str(form.declared(name).default)
                components[name] = boxes.choice(tab, name, names, default)
        components["init.mask.blur"] = boxes.slider(tab, "init.mask.blur")
        with gr.Column(elem_classes="dk-only-masked"):
            components["init.mask.padding"] = boxes.slider(tab, "init.mask.padding")
        with gr.Row(elem_classes="dk-pair"):
            for name in ("init.mask.inverted", "init.mask.soft"):
                components[name] = boxes.flag(tab, name)
    return components


def _outpaint(tab: str) -> Components:
    components: Components = {}
    with gr.Column(elem_classes=["dk-stack", "dk-only-outpaint"]):
        for pair in (_SIDES[:2], _SIDES[2:]):
            with gr.Row(elem_classes="dk-pair"):
                for side in pair:
                    name = f"init.outpaint.{side}"
                    components[name] = boxes.slider(tab, name)
        components["init.outpaint.blend"] = boxes.slider(tab, "init.outpaint.blend")
    return components

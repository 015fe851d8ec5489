"""Hires. fix: a second pass at a larger size, under a switch in txt2img's settings."""

import gradio as gr
from gradio.components import Component

from webui.services import Services
from webui.ui import boxes, from_picture, options
from webui.ui.element_ids import HIRES_FOLD, HIRES_MORE

Components = dict[str, Component]
_SAME = "As the first pass"


def build(tab: str, services: Services) -> Components:
    with boxes.switched(tab, HIRES_FOLD):
        components: Components = {"hires.on": boxes.switch(tab, "hires.on")}
        from_picture.said(f"{tab}_hr_said")
        name = "hires.upscaler"
        components[name] = from_picture.upscaler(tab, name, services, latents=True)
        for name in ("hires.scale", "hires.strength"):
            components[name] = boxes.slider(tab, name)
        with options.fold("More of the second pass", tab, HIRES_MORE):
            components |= _more(tab, services)
    return components


def _more(tab: str, services: Services) -> Components:
    components: Components = {"hires.steps": boxes.slider(tab, "hires.steps")}
    with gr.Row(elem_classes="dk-grid"):
        for name in ("hires.width", "hires.height"):
            components[name] = boxes.optional(tab, name, "By the scale")
        components["hires.guidance_scale"] = boxes.optional(tab, "hires.guidance_scale", _SAME)
    with gr.Row(elem_classes="dk-pair"):
        tables = {"hires.sampler": services.registry.samplers}
        for name, table in (tables | {"hires.schedule": services.registry.schedules}).items():
            components[name] = boxes.optional_choice(tab, name, list(table), _SAME)
    for name in ("hires.prompt", "hires.negative_prompt"):
        components[name] = boxes.text(tab, name, lines=1, placeholder=_SAME.lower())
    return components

"""The settings that every generating tab has: sampler, steps, guidance, size, batches, seed, folds.

Each part is built where it is called, on the tab's own sheet, and gives its components by the names
of their fields.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.interfaces import SamplerInfo, ScheduleInfo, ServerRegistry
from webui.library import Library
from webui.services import Services
from webui.ui import form, model_bar, options

Components = dict[str, Component]


def panel(tab: str) -> gr.Column:
    """The sheet that the settings stand on; used as `with settings.panel(tab):`."""
    return gr.Column(elem_id=f"{tab}_settings", elem_classes=["dk-stack", "dk-settings"])


def build(tab: str, services: Services, model: gr.Dropdown) -> Components:
    """All of them on their sheet, in their usual order."""
    with panel(tab):
        components = sampling(tab, services.registry)
        components |= size(tab, services.library, model)
        components |= batches(tab)
        components |= seed(tab)
        components |= folds(tab, services.registry, components)
    return components


def sampling(tab: str, registry: ServerRegistry) -> Components:
    sampler, schedule = _choices(tab, registry.samplers, registry.schedules)
    return {
        "sampler": sampler,
        "schedule": schedule,
        "steps": form.slider(tab, "steps"),
        "guidance_scale": form.slider(tab, "guidance_scale"),
    }


def size(tab: str, library: Library, model: gr.Dropdown) -> Components:
    """Width and height; at first the model's own."""
    native = model_bar.native(library, library.default())
    with gr.Row(elem_classes="dk-with-buttons"):
        with gr.Column(min_width=120, elem_classes="dk-stack"):
            width = form.slider(tab, "width", native[0])
            height = form.slider(tab, "height", native[1])
        swap = form.small("Swap width and height", f"{tab}_res_switch_btn", "swap")
    swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]")
    model_bar.bring_size(library, model, width, height)
    return {"width": width, "height": height}


def batches(tab: str) -> Components:
    with gr.Row(elem_classes="dk-pair"):
        return {name: form.slider(tab, name) for name in ("batch_count", "batch_size")}


def seed(tab: str) -> Components:
    with gr.Row(elem_classes="dk-with-buttons"):
        number = form.seed(tab)
        dice = form.small("A new random seed each time", f"{tab}_random_seed", "dice")
        reuse = form.small("The seed of the last picture", f"{tab}_reuse_seed", "recycle")
    dice.click(None, None, [number], js=f"() => {form.RANDOM_SEED}")
    reuse.click(None, [number], [number], js="(now) => window.darkroom.lastSeed() ?? now")
    return {"seed": number}


def folds(tab: str, registry: ServerRegistry, components: Mapping[str, Component]) -> Components:
    """What is rarely set; it follows the sampler and the schedule among `components`."""
    sampler, schedule = components["sampler"], components["schedule"]
    assert isinstance(sampler, gr.Dropdown) and isinstance(schedule, gr.Dropdown)
    return options.build(tab, registry, sampler, schedule)


def _choices(
    tab: str, samplers: Mapping[str, SamplerInfo], schedules: Mapping[str, ScheduleInfo]
) -> tuple[gr.Dropdown, gr.Dropdown]:
    """The two menus beside each other; what is chosen in them is explained under both."""
    with gr.Row(elem_classes="dk-pair"):
        sampler = form.choice(tab, "sampler", list(samplers), _preferred("sampler", samplers))
        schedule = form.choice(tab, "schedule", list(schedules), _preferred("schedule", schedules))
    with gr.Column(elem_classes="dk-explained"):
        form.explained(sampler, samplers)
        form.explained(schedule, schedules)
    return sampler, schedule


def _preferred(name: str, infos: Mapping[str, Any]) -> str | None:
    default = getattr(form.declared(name), "default", "")
    return default if default in infos else next(iter(infos), None)

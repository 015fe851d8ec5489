"""The settings that every generating tab has: sampler, steps, guidance, size, batches, seed, folds.

Each part is built where it is called, on the tab's own sheet, and gives its components by the names
of their fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.fields import RANDOM_SEED
from webui.interfaces import SamplerInfo, ScheduleInfo, ServerRegistry
from webui.services import Services
from webui.ui import boxes, form, groups, options
from webui.ui.quick_settings import QuickSettings

Components = dict[str, Component]


def panel(tab: str) -> gr.Column:
    """The sheet that the settings stand on; used as `with settings.panel(tab):`."""
    return gr.Column(elem_id=f"{tab}_settings", elem_classes=["dk-stack", "dk-settings"])


def sampling(tab: str, registry: ServerRegistry, quick: QuickSettings) -> Components:
    components = _choices(tab, registry, quick)
    return components | sliders(tab, ("steps", "guidance_scale"), quick)


def sliders(tab: str, names: Sequence[str], quick: QuickSettings) -> Components:
    """Of those that do not stand above the tabs; at first as it suits the model."""
    left = [name for name in names if name not in quick.fields]
    return {name: boxes.slider(tab, name, quick.first.get(name)) for name in left}


def size(tab: str, quick: QuickSettings) -> Components:
    """Width and height; at first the model's own."""
    with gr.Row(elem_classes="dk-with-buttons"):
        with gr.Column(min_width=120, elem_classes="dk-stack"):
            width = boxes.slider(tab, "width", quick.first.get("width"))
            height = boxes.slider(tab, "height", quick.first.get("height"))
        swap = boxes.small("Swap width and height", f"{tab}_res_switch_btn", "swap")
    swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]")
    return {"width": width, "height": height}


def batches(tab: str, quick: QuickSettings) -> Components:
    with gr.Row(elem_classes="dk-pair"):
        return sliders(tab, ("batch_count", "batch_size"), quick)


def seed(tab: str) -> Components:
    with gr.Row(elem_classes="dk-with-buttons"):
        number = boxes.seed(tab)
        dice = boxes.small("A new random seed each time", f"{tab}_random_seed", "dice")
        reuse = boxes.small("The seed of the last picture", f"{tab}_reuse_seed", "recycle")
    dice.click(None, None, [number], js=f"() => {RANDOM_SEED}")
    reuse.click(None, [number], [number], js="(now) => window.darkroom.lastSeed() ?? now")
    return {"seed": number}


def folds(
    tab: str, services: Services, quick: QuickSettings, components: Mapping[str, Component]
) -> Components:
    """What is rarely set; it follows the sampler and the schedule, wherever they are."""
    menus = {**quick.fields, **components}
    sampler, schedule = menus["sampler"], menus["schedule"]
    assert isinstance(sampler, gr.Dropdown) and isinstance(schedule, gr.Dropdown)
    own = options.build(tab, services.registry, sampler, schedule, quick.fields)
    return own | groups.build(tab, services)


def _choices(tab: str, registry: ServerRegistry, quick: QuickSettings) -> Components:
    """The two menus beside each other; what is chosen in them is explained under both."""
    tables: dict[str, Mapping[str, SamplerInfo | ScheduleInfo]] = {
        "sampler": dict(registry.samplers),
        "schedule": dict(registry.schedules),
    }
    with gr.Row(elem_classes="dk-pair"):
        made: Components = {
            name: boxes.choice(tab, name, list(table), _preferred(name, table, quick.first))
            for name, table in tables.items()
            if name not in quick.fields
        }
    with gr.Column(elem_classes="dk-explained"):
        for name, table in tables.items():
            box = quick.fields.get(name) or made[name]
            assert isinstance(box, gr.Dropdown)
            boxes.explained(tab, name, box, table)
    return made


def _preferred(name: str, infos: Mapping[str, Any], first: Mapping[str, Any]) -> str | None:
    default = first.get(name, getattr(form.declared(name), "default", ""))
    return default if default in infos else next(iter(infos), None)

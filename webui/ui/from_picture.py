"""The settings of pictures that begin with a picture: how much is made anew, how large, how often.

What they come to (steps that run, the result's size) is said in the browser by sizes.js.
"""

import gradio as gr
from gradio.components import Component

from webui.services import Services
from webui.ui import boxes, form, settings
from webui.ui.element_ids import LOOPBACK_FOLD, TILES_FOLD
from webui.ui.quick_settings import QuickSettings

Components = dict[str, Component]


def strength(tab: str) -> Components:
    """The denoising strength, with what it comes to under it."""
    with gr.Column(elem_classes=["dk-stack", "dk-strength"]):
        slider = boxes.slider(tab, "init.strength")
        with gr.Row(elem_classes="dk-said-row"):
            said(f"{tab}_steps_said")
            exact = boxes.flag(tab, "init.exact_steps")
    return {"init.strength": slider, "init.exact_steps": exact}


def said(element: str) -> gr.HTML:
    """A line that sizes.js fills."""
    return gr.HTML("", elem_id=element, elem_classes="dk-said", apply_default_css=False)


def resize(tab: str) -> Components:
    names = [(each.capitalize(), each) for each in form.choices("init.resize")]
    return {"init.resize": boxes.choice(tab, "init.resize", names, names[0][1])}


def size(tab: str, quick: QuickSettings) -> Components:
    """To a size, or by a factor of the picture's."""
    with gr.Column(elem_id=f"{tab}_size", elem_classes=["dk-stack", "dk-size"]):
        mode = boxes.segments(tab, "size.mode")
        width, height, fit = _to_size(tab, quick)
        scale = boxes.slider(tab, "size.scale")
        said(f"{tab}_size_said")
    components: Components = {"size.mode": mode, "width": width, "height": height}
    # of several pictures the first one's
    js = f"(width, height) => window.darkroom.pictureSize({tab!r}, [width, height])"
    fit.click(None, [width, height], [width, height], js=js)
    return components | {"size.scale": scale}


def _to_size(tab: str, quick: QuickSettings) -> tuple[gr.Slider, gr.Slider, gr.Button]:
    with gr.Row(elem_classes=["dk-with-buttons", "dk-to-size"]):
        with gr.Column(min_width=120, elem_classes="dk-stack"):
            width = boxes.slider(tab, "width", quick.first.get("width"))
            height = boxes.slider(tab, "height", quick.first.get("height"))
        with gr.Column(min_width=38, elem_classes="dk-small-stack"):
            swap = boxes.small("Swap width and height", f"{tab}_res_switch_btn", "swap")
            fit = boxes.small("The picture's size", f"{tab}_detect_image_size_btn", "fit")
    swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]")
    return width, height, fit


def again(tab: str, services: Services) -> Components:
    """Loopback and tiles, each under a switch of its own."""
    with boxes.switched(tab, LOOPBACK_FOLD):
        components: Components = {"init.loopback.on": boxes.switch(tab, "init.loopback.on")}
        with gr.Row(elem_classes="dk-pair"):
            components["init.loopback.loops"] = boxes.slider(tab, "init.loopback.loops")
            curves = [(each.capitalize(), each) for each in form.choices("init.loopback.curve")]
            curve = boxes.choice(tab, "init.loopback.curve", curves, curves[1][1])
            components["init.loopback.curve"] = curve
        name = "init.loopback.final_strength"
        components[name] = boxes.slider(tab, name)
        said(f"{tab}_loopback_said")
    with boxes.switched(tab, TILES_FOLD):
        components["init.tiles.on"] = boxes.switch(tab, "init.tiles.on")
        components["init.tiles.upscaler"] = upscaler(tab, "init.tiles.upscaler", services)
        with gr.Row(elem_classes="dk-pair"):
            for name in ("init.tiles.scale", "init.tiles.overlap"):
                components[name] = boxes.slider(tab, name)
        said(f"{tab}_tiles_said")
    return components


def upscaler(
    tab: str, name: str, services: Services, *, latents: bool = False, nothing: str = ""
) -> gr.Dropdown:
    """A menu of the upscalers there are, with those of latents only for a second pass."""
    names = upscalers(services, latents)
    if nothing:
        return boxes.optional_choice(tab, name, names, nothing)
    default = getattr(form.declared(name), "default", "")
    return boxes.choice(tab, name, names, default if default in names else next(iter(names), None))


def upscalers(services: Services, latents: bool) -> list[str]:
    """Their names: those that need no file, then the files that can be used."""
    table = services.registry.upscalers
    ready = [name for name, each in table.items() if latents or each.kind != "latent"]
    files = [each.name for each in services.upscalers.files() if each.problem is None]
    taken = {name.casefold() for name in ready}
    return [*ready, *(name for name in files if name.casefold() not in taken)]


def build(tab: str, services: Services, quick: QuickSettings) -> Components:
    """All settings of img2img, on their sheet."""
    with settings.panel(tab):
        components = strength(tab)
        components |= settings.sampling(tab, services.registry, quick)
        components |= resize(tab)
        components |= size(tab, quick)
        components |= settings.batches(tab, quick)
        components |= settings.seed(tab)
        components |= again(tab, services)
        components |= settings.folds(tab, services, quick, components)
    return components

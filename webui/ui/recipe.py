"""Filling a form with a recipe, and back to what it was: the notice that says so, and its event.

The browser reads recipes through `api/v1/recipes` (recipes.js); what of them stands in which
component is decided here, because only the form knows how it holds a value.
"""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from webui.interfaces import ServerRegistry
from webui.ui import options
from webui.ui.form import Form
from webui.ui.live import QUIET, drawn, script


def notice(tab: str) -> gr.HTML:
    """What was restored and what was not. Triggers "fill" when there is something to fill in."""
    skeleton = '<div class="dk-restored" role="status" tabindex="-1" data-state="" hidden></div>'
    calls = script("recipes", f"element, {tab!r}, () => trigger('fill')")
    return drawn(skeleton, calls, f"{tab}_recipe", "dk-recipe-place")


def connect(registry: ServerRegistry, fields: Form, box: gr.HTML) -> None:
    """Fills the form when the notice `box` asks for it. Called inside the tab."""
    names, components = list(fields.components), list(fields.components.values())
    order = gr.Textbox(visible=False)  # what to fill in, as JSON; written in the browser

    def fill(*sent: Any) -> list[dict[str, Any]]:
        return filled(registry, names, str(sent[-1]))

    filling = box.fill(
        fill,
        [*components, order],
        components,
        js=f"(...sent) => window.darkroom.order({fields.tab!r}, {names!r}, sent)",
        preprocess=False,
        postprocess=False,
        **QUIET,
    )
    said = f"() => window.darkroom.filled({fields.tab!r})"
    filling.then(None, None, None, js=said, show_progress="hidden", queue=False)


def filled(registry: ServerRegistry, names: list[str], order: str) -> list[dict[str, Any]]:
    """For each component, by name, what becomes of it; nothing where the order does not say.

    `order` is JSON: {"recipe"?: values as the API gives them, "form"?: values as they stood}.
    """
    given = json.loads(order)
    values = options.unpacked(given.get("recipe", {})) | given.get("form", {})
    return [_update(registry, name, values) for name in names]


def _update(registry: ServerRegistry, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if name not in values:
        return {"__type__": "update"}  # and nothing of it
    if name in options.MENUS:
        return options.menu(registry, name, str(values.get("sampler")), values[name])
    return {"__type__": "update", "value": values[name]}

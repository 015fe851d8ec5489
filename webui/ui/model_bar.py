"""The model that all tabs share: its menu above them, and the button that looks for new ones."""

from typing import Any

import gradio as gr
from gradio.components import Component

from webui.library import Library, ModelEntry
from webui.ui import form
from webui.ui.live import QUIET

Update = dict[str, Any] | Component


def build(library: Library) -> gr.Dropdown:
    """Unlike the other choices it takes any text: what is on the disk changes behind the page."""
    field = form.declared("model")
    with gr.Row(elem_id="quicksettings", elem_classes=["dk-with-buttons", "dk-model"]):
        model = gr.Dropdown(
            choices=_names(library.entries()),
            value=library.default(),
            label=field.label,
            info=field.help,
            allow_custom_value=True,
            elem_id=form.element_id("", "model"),
            elem_classes="dk-field",
        )
        refresh = form.small("Look for new models", "refresh_sd_model_checkpoint", "refresh")

    def again(name: Any) -> Update:
        library.refresh()
        entries = library.entries()
        kept = name if name in {entry.name for entry in entries} else library.default()
        return gr.Dropdown(choices=_names(entries), value=kept)

    refresh.click(again, [model], [model], preprocess=False, **QUIET)
    return model


def _names(entries: list[ModelEntry]) -> list[tuple[str, str | int | float]]:
    return [
        (f"{entry.name} (cannot be used)" if entry.problem else entry.name, entry.name)
        for entry in entries
    ]


def native(library: Library, name: str | None) -> tuple[int | None, int | None]:
    """The size the model was trained at; (None, None) if there is no such model."""
    for entry in library.entries():
        if entry.name == name and not entry.problem:
            return entry.native_width, entry.native_height
    return None, None


def bring_size(library: Library, model: gr.Dropdown, width: gr.Slider, height: gr.Slider) -> None:
    """Another model brings its own size, unless the user had chosen one."""

    def chosen(name: Any, now_width: Any, now_height: Any) -> tuple[Update, Update]:
        sizes = {(entry.native_width, entry.native_height) for entry in library.entries()}
        own = native(library, name)
        if (now_width, now_height) not in sizes or None in own:
            return gr.skip(), gr.skip()
        return gr.Slider(value=own[0]), gr.Slider(value=own[1])

    model.input(chosen, [model, width, height], [width, height], preprocess=False, **QUIET)

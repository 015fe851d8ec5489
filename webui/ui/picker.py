"""The place for pictures to begin with: chosen, dropped, pasted, or sent from elsewhere.

A factory, not a subclass: Gradio writes a stub file beside every subclass of its components. The
browser sends pictures to the input store; the component's value is the list that came back, as
JSON, so that drafts, recipes and Undo treat it as any other value.
"""

from pathlib import Path

import gradio as gr

from webui.ui import form
from webui.ui.live import script

_SKELETON = Path(__file__).parent / "picker.html"


def build(tab: str, name: str, *, sketched: bool = False) -> gr.HTML:
    """`name` is the field's: "init.picture". Triggers "change" when there are other pictures.

    `sketched`: the tab has a canvas to paint on it.
    """
    skeleton = _SKELETON.read_text(encoding="utf-8")
    if sketched:
        skeleton = skeleton.replace('class="dk-picker"', 'class="dk-picker" data-sketch="yes"')
    return gr.HTML(
        value="",
        html_template=skeleton,
        js_on_load=script(
            "picker", f"element, {tab!r}, {name!r}, props, watch, () => trigger('change')"
        ),
        elem_id=form.element_id(tab, name),
        elem_classes=["dk-picker-panel", "dk-field"],
        apply_default_css=False,
    )

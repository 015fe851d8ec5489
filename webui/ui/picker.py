"""The place for pictures to begin with: chosen, dropped, pasted, or sent from elsewhere.

The browser sends pictures to the input store; the component's value is the list that came back, as
JSON, so that drafts, recipes and Undo treat it as any other value.
"""

import gradio as gr

from webui.ui import form
from webui.ui.live import drawn, read, script


def build(tab: str, name: str, *, sketched: bool = False) -> gr.HTML:
    """`name` is the field's: "init.picture". Triggers "change" when there are other pictures.

    `sketched`: the tab has a canvas to paint on it.
    """
    skeleton = read("picker.html")
    if sketched:
        skeleton = skeleton.replace('class="dk-picker"', 'class="dk-picker" data-sketch="yes"')
    calls = script("picker", f"element, {tab!r}, {name!r}, props, watch, () => trigger('change')")
    classes = ["dk-picker-panel", "dk-field"]
    return drawn(skeleton, calls, form.element_id(tab, name), classes, value="")

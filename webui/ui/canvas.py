"""The drawing canvas: an empty panel that becomes one in the browser.

A factory, not a subclass: Gradio writes a stub file beside every subclass of its components. Pixels
never pass through Gradio: what is drawn is sent to the input store by the browser.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from webui.ui.live import script

_SKELETON = Path(__file__).parent / "canvas.html"


def panel(
    element: str, tab: str, label: str, layers: Sequence[str] = ("mask",), on: str = "canvas"
) -> gr.HTML:
    """A canvas whose id in the browser is `tab`; `layers` are "mask", "paint" or both.

    `label` names it to people who do not see it. `on` is the function of the page's scripts that is
    given it: `canvas` alone, or one that makes more of it. Triggers "change" when the component's
    value is another.
    """
    options = json.dumps({"id": tab, "label": label, "layers": list(layers)})
    return gr.HTML(
        value="",
        html_template=_SKELETON.read_text(encoding="utf-8"),
        js_on_load=script(on, f"element, {options}, props, watch, () => trigger('change')"),
        elem_id=element,
        elem_classes=["dk-canvas-panel", "dk-field"],
        apply_default_css=False,
    )

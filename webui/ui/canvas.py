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


def panel(tab: str, label: str, layers: Sequence[str] = ("mask",)) -> gr.HTML:
    """A canvas whose id in the browser is `tab`; `layers` are "mask", "paint" or both.

    `label` names it to people who do not see it.
    """
    options = json.dumps({"id": tab, "label": label, "layers": list(layers)})
    return gr.HTML(
        html_template=_SKELETON.read_text(encoding="utf-8"),
        js_on_load=script("canvas", f"element, {options}"),
        elem_id=f"{tab}_canvas",
        elem_classes="dk-canvas-panel",
        apply_default_css=False,
    )

"""The drawing canvas: an empty panel that becomes one in the browser.

Pixels never pass through Gradio: what is drawn is sent to the input store by the browser.
"""

import json
from collections.abc import Sequence

import gradio as gr

from webui.ui.live import drawn, read, script


def panel(
    element: str, tab: str, label: str, layers: Sequence[str] = ("mask",), on: str = "canvas"
) -> gr.HTML:
    """A canvas whose id in the browser is `tab`; `layers` are "mask", "paint" or both.

    `label` names it to people who do not see it. `on` is the function of the page's scripts that is
    given it: `canvas` alone, or one that makes more of it. Triggers "change" when the component's
    value is another.
    """
    options = json.dumps({"id": tab, "label": label, "layers": list(layers)})
    calls = script(on, f"element, {options}, props, watch, () => trigger('change')")
    return drawn(read("canvas.html"), calls, element, ["dk-canvas-panel", "dk-field"], value="")

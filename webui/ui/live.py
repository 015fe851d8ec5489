"""The live view: an empty panel that draws itself in the browser from `api/v1/live`.

A factory, not a subclass: Gradio writes a stub file beside every subclass of its components. What
is drawn, and when, is in live.js, stage.js and tools.js; this file only knows the skeleton.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

# How every event of the page is listened to: nothing is drawn over, none waits for another, and
# none is offered to programs, which have the API.
QUIET: Mapping[str, Any] = MappingProxyType(
    {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
)
_HERE = Path(__file__).parent


def panel() -> gr.HTML:
    """Triggers "pictures" with the id of a job whenever there is something new to hang up."""
    return gr.HTML(
        html_template=skeleton(),
        # Gradio makes an event of every name that is triggered in this text
        js_on_load=script("live", "element, (id) => trigger('pictures', { id })"),
        elem_id="live_panel",
        apply_default_css=False,
    )


def skeleton() -> str:
    """The live view, and in it what the steps of a picture are good for."""
    tools = (_HERE / "tools.html").read_text(encoding="utf-8")
    return (_HERE / "live.html").read_text(encoding="utf-8").replace("<!-- tools -->", tools)


def script(name: str, arguments: str) -> str:
    """Calls `darkroom.name` once it is there: the page's head may run later than this."""
    return f"""(function start() {{
  window.darkroom?.{name} ? window.darkroom.{name}({arguments}) : setTimeout(start, 30);
}})()"""

"""Panels that the page's scripts draw in the browser: a skeleton, and the call that fills it.

The live view is one of them: it draws itself from `api/v1/live`. What is drawn, and when, is in
live.js, stage.js and tools.js; this file only knows the skeleton.
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
    calls = script("live", "element, (id) => trigger('pictures', { id })")
    return drawn(skeleton(), calls, "live_panel")


def skeleton() -> str:
    """The live view, and in it what the steps of a picture are good for."""
    return read("live.html").replace("<!-- tools -->", read("tools.html"))


def drawn(
    skeleton: str, calls: str, element: str, classes: str | list[str] = "", **properties: Any
) -> gr.HTML:
    """A panel of the id `element`. Gradio makes an event of every name that is triggered in the
    text of `calls`, which `script` makes; `properties` are those that it sees as `props`.

    A factory, not a subclass: Gradio writes a stub file beside every subclass of its components.
    """
    return gr.HTML(
        html_template=skeleton,
        js_on_load=calls,
        elem_id=element,
        elem_classes=classes or None,
        apply_default_css=False,
        **properties,
    )


def read(name: str) -> str:
    """A file that lies beside this one."""
    return (_HERE / name).read_text(encoding="utf-8")


def script(name: str, arguments: str) -> str:
    """Calls `darkroom.name` once it is there: the page's head may run later than this."""
    return f"""(function start() {{
  window.darkroom?.{name} ? window.darkroom.{name}({arguments}) : setTimeout(start, 30);
}})()"""

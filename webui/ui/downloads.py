"""The part of the page that gets models: look, agree, watch. All of it happens in the browser
(downloads.js, downloads_rows.js), which asks `api/v1/downloads`.
"""

from pathlib import Path

import gradio as gr

from webui.ui.live import script

_SKELETON = Path(__file__).parent / "downloads.html"


def panel() -> gr.HTML:
    return gr.HTML(
        html_template=_SKELETON.read_text(encoding="utf-8"),
        js_on_load=script("downloads", "element"),
        elem_id="downloads_panel",
        apply_default_css=False,
    )

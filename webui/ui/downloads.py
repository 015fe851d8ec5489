"""The part of the page that gets models: look, agree, watch. All of it happens in the browser
(downloads.js, downloads_rows.js), which asks `api/v1/downloads`.
"""

import gradio as gr

from webui.ui.live import drawn, read, script


def panel() -> gr.HTML:
    return drawn(read("downloads.html"), script("downloads", "element"), "downloads_panel")

"""Copy as: the button beside Generate that asks what the form would be as a request.

The dialog is copies.js; what stands in it comes from `POST /api/v1/copies`, of the request that
this makes of the form, or of a finished picture's.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.errors import DarkroomError, failure
from webui.interfaces import ServerRegistry
from webui.ui import boxes, form, image_values, options
from webui.ui.form import Form
from webui.ui.live import QUIET, drawn, script


def button(tab: str) -> tuple[gr.Button, gr.HTML]:
    """Also the place that is told of the answer."""
    made = boxes.small("Copy as curl, Python, a command or a script", f"{tab}_copy_as", "code")
    calls = script("copyForm", f"{tab!r}, props, watch")
    told = drawn("<span hidden></span>", calls, f"{tab}_copies", "dk-copies-place", answer=None)
    return made, told


def connect(registry: ServerRegistry, fields: Form, made: gr.Button, told: gr.HTML) -> None:
    """Called inside the tab when all of it is built."""

    def click(sent: dict[Component, Any]) -> gr.HTML:
        return gr.HTML(answer=asked(registry, fields, sent))

    made.click(click, set(fields.components.values()), [told], preprocess=False, **QUIET)


def asked(registry: ServerRegistry, fields: Form, sent: Mapping[Component, Any]) -> dict[str, Any]:
    """The request of a form, of the first of its pictures; or what is wrong with it."""
    answer: dict[str, Any] = {"number": secrets.token_hex(4)}  # two equal answers are two answers
    try:
        _, values = next(image_values.split(fields.values(sent)))
        return answer | {"request": options.packed(registry, values)}
    except DarkroomError as error:
        return answer | {"error": form.complaint(fields.tab, failure(error))}

"""The line on the page: its panel, the buttons that end a run, and changing a job that waits.

What is drawn, and when, is in the scripts of the same names; what of a form becomes a changed job
is decided here, because only the form knows how it holds a value.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import gradio as gr

from webui.errors import DarkroomError, failure
from webui.fields import BATCH_COUNT
from webui.request import to_dict
from webui.services import Services, edit, request_of
from webui.ui import boxes, options
from webui.ui.form import Form
from webui.ui.live import QUIET, drawn, read, script

# Of the live view's job: what it says, the end of its id, its class, its icon if it has no room.
_ENDINGS = (
    ("Interrupt", "interrupt", "dk-interrupt", None),
    ("Skip this picture", "skip", "dk-skip", "skip"),
    ("Throw this run away", "discard", "dk-discard", "discard"),
)


def panel() -> gr.HTML:
    return drawn(read("queue.html"), script("queue", "element"), "queue_panel")


def endings(tab: str) -> None:
    """Keep what there is, leave one picture out, throw all away: each its own button."""
    for says, end, name, icon in _ENDINGS:
        if icon:
            button = boxes.small(says, f"{tab}_{end}", icon)
            button.elem_classes = [*button.elem_classes, name]
        else:
            button = gr.Button(says, elem_id=f"{tab}_{end}", elem_classes=name, min_width=80)
        button.click(None, js=f"() => window.darkroom.end({end!r})")


def forever(tab: str) -> None:
    """One after the other, until it is pressed again."""
    button = boxes.small("Generate forever", f"{tab}_forever", "forever")
    button.elem_classes = [*button.elem_classes, "dk-forever"]
    button.click(None, js=f"() => window.darkroom.turnForever({tab!r})")


def forever_notice(tab: str) -> gr.HTML:
    """That it goes on by itself, and the button that ends it."""
    skeleton = '<div class="dk-going" role="status" hidden></div>'
    calls = script("forever", f"element, {tab!r}")
    return drawn(skeleton, calls, f"{tab}_forever_notice", "dk-forever-place")


def edit_notice(tab: str) -> gr.HTML:
    """Which job the form holds, to be saved back. Triggers "save" when that is asked for."""
    skeleton = (
        '<div class="dk-editing" role="group" aria-label="Editing a waiting job" '
        'tabindex="-1" hidden></div>'
    )
    calls = script("editJob", f"element, {tab!r}, props, watch, () => trigger('save')")
    return drawn(skeleton, calls, f"{tab}_edit", "dk-edit-place", answer=None)


def connect(services: Services, fields: Form, box: gr.HTML) -> None:
    """Saves the form into the job that the notice `box` is about. Called inside the tab."""
    names, components = list(fields.components), list(fields.components.values())
    edited = gr.Textbox(visible=False)  # the job's id, written in the browser

    def save(*sent: Any) -> gr.HTML:
        given = dict(zip(components, sent[:-1], strict=True))
        answer: dict[str, Any] = {"number": secrets.token_hex(4)}
        try:
            saved(services, str(sent[-1]), names, fields.values(given))
        except DarkroomError as error:
            answer["error"] = fields.complaint(failure(error))
        return gr.HTML(answer=answer)

    box.save(
        save,
        [*components, edited],
        [box],
        js="(...sent) => window.darkroom.editedJob(sent)",
        preprocess=False,
        **QUIET,
    )


def saved(services: Services, job_id: str, names: list[str], values: Mapping[str, Any]) -> None:
    """Puts all that stands in the form into a waiting job; what the form lacks stays in it.

    Raises InvalidRequest, WrongState if it has begun meanwhile, JobNotFound, NotSaved.
    """
    request = request_of(services, options.packed(services.registry, values))
    on_form = {name.split(".")[0] for name in names} - {BATCH_COUNT.name} | {"images"}
    changes = {name: value for name, value in to_dict(request).items() if name in on_form}
    edit(services, job_id, changes)

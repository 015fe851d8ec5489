"""The two prompt boxes with what belongs to them: counter, notes, microscope, mix, cards.

All of these read what stands in the boxes and draw in the browser; this file only knows their
skeletons, and that nothing of them is sent with the form.
"""

import gradio as gr
from gradio.components import Component

from webui.ui import boxes
from webui.ui.live import drawn, read, script

FIRST = "txt2img"  # whose paste button has A1111's id, which is the same in all of its tabs
_BOXES = {"prompt": (3, "a picture of a puppy"), "negative_prompt": (1, "what to leave out")}
# A1111's ids; the negative one is not named after its box there.
_COUNTERS = {"prompt": "token_counter", "negative_prompt": "negative_token_counter"}


def build(tab: str) -> dict[str, Component]:
    """The boxes, by the names of their fields."""
    with gr.Column(elem_id=f"{tab}_prompts", elem_classes="dk-prompts"):
        says = "Restore a recipe: from the prompt, the clipboard or the last picture"
        paste = boxes.small(says, "paste" if tab == FIRST else f"{tab}_paste", "paste")
        texts: dict[str, Component] = {name: _box(tab, name, *_BOXES[name]) for name in _BOXES}
    paste.click(
        None, [texts["prompt"]], None, js=f"(text) => window.darkroom.pasteRecipe({tab!r}, text)"
    )
    return texts


def _box(tab: str, name: str, lines: int, placeholder: str) -> gr.Textbox:
    with gr.Column(elem_classes="dk-prompt", min_width=0):
        _empty(f"{tab}_{_COUNTERS[name]}", "dk-counter")
        box = boxes.text(tab, name, lines=lines, placeholder=placeholder)
        _empty(f"{box.elem_id}_notes", "dk-prompt-notes")
    return box


def _empty(element: str, classes: str) -> gr.HTML:
    """A place that prompts.js fills."""
    return gr.HTML("", elem_id=element, elem_classes=classes, apply_default_css=False)


def microscope(tab: str) -> gr.HTML:
    """What the model is told, token by token; drawn by microscope.js while one types."""
    calls = script("microscope", f"element, {tab!r}")
    return drawn(read("microscope.html"), calls, f"{tab}_microscope", "dk-lens")


def cards(tab: str) -> gr.HTML:
    """LoRAs, embeddings and checkpoints to choose from; drawn by cards.js."""
    calls = script("cards", f"element, {tab!r}")
    return drawn(read("cards.html"), calls, f"{tab}_extra_tabs", "dk-lens")


def mix(tab: str) -> gr.HTML:
    """The mixing desk; triggers "strip" with the prompts that it wants rendered."""
    calls = script("mix", f"element, {tab!r}, props, watch, (asked) => trigger('strip', asked)")
    return drawn(read("mix.html"), calls, f"{tab}_mix", "dk-lens", answer=None)

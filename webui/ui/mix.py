"""The strip of a mix: one job for each of several prompts, alike in everything else.

The prompts, with their mixes at different ratios, are written in the browser (mix.js). Here they
become ordinary jobs with what stands in the form, all with one seed.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.errors import DarkroomError, InvalidRequest, failure
from webui.fields import shown
from webui.services import Services, request_of, submit
from webui.ui import form, options
from webui.ui.form import Form
from webui.ui.live import QUIET

MOST = 21  # pictures in a strip


def listen(services: Services, fields: Form, desk: gr.HTML, owner: gr.Textbox) -> None:
    """Queues the jobs when `desk` triggers "strip", and tells it their ids or what is wrong."""

    def wanted(sent: dict[Component, Any], event: gr.EventData) -> gr.HTML:
        asked, whose = event._data, str(sent.get(owner) or "")
        answer: dict[str, Any] = {"number": secrets.token_hex(4)}  # two equal answers are two
        try:
            values = options.packed(services.registry, fields.values(sent))
            answer["jobs"] = queued(services, values, prompts(asked), owner=whose[:80])
        except DarkroomError as error:
            answer["error"] = form.complaint(fields.tab, failure(error))
        return gr.HTML(answer=answer)

    desk.strip(
        wanted,
        {*fields.components.values(), owner},
        [desk],
        js="(...sent) => window.darkroom.withOwner(sent)",
        preprocess=False,
        trigger_mode="multiple",
        **QUIET,
    )


def prompts(asked: object) -> list[str]:
    """The texts in what a browser asks. Raises InvalidRequest unless they are 2 to MOST."""
    texts = asked.get("prompts") if isinstance(asked, Mapping) else None
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise InvalidRequest("prompt", f"must be a list of texts for a strip, got {shown(texts)}")
    if not 2 <= len(texts) <= MOST:
        raise InvalidRequest("prompt", f"must be 2 to {MOST} texts for a strip, got {len(texts)}")
    return texts


def queued(
    services: Services, values: Mapping[str, Any], texts: Sequence[str], *, owner: str
) -> list[str]:
    """The ids of the jobs, one picture each. Nothing is queued if one of them cannot be.

    Raises InvalidRequest; LineFull and NotSaved with some of them queued.
    """
    one = {**values, "batch_count": 1, "batch_size": 1}
    first = request_of(services, {**one, "prompt": texts[0]})
    one["seed"] = first.seed
    if first.variation is not None:
        one["variation"] = asdict(first.variation)
    for text in texts[1:]:
        request_of(services, {**one, "prompt": text})
    return [submit(services, {**one, "prompt": text}, owner=owner).id for text in texts]

"""What every tab that makes pictures has around its settings.

Prompts, Generate and the notices beside it, the draft that survives a refresh, recipes, the line.

A tab builds its desk, then its settings, then connects both:

    desk = generating.desk(self.id)
    fields = Form(self.id, {**quick.fields, **desk.boxes, **sheet(...)})
    generating.connect(services, fields, desk)

A click checks the form, queues a job and returns. What becomes of the job is drawn by the live
view, which is told its id in the browser; this file knows nothing of it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.errors import DarkroomError, failure
from webui.jobs.job import Job
from webui.services import Services
from webui.submitting import submit_all
from webui.ui import (
    copying,
    form,
    image_values,
    mix,
    options,
    prompts,
    queue,
    quick_settings,
    recipe,
)
from webui.ui.form import Form
from webui.ui.live import QUIET, drawn, script
from webui.ui.quick_settings import QuickSettings

_HUNG = 32  # jobs that are shown side by side; of more the first is followed
_NAME = 80  # characters

Update = dict[str, Any] | Component


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of a tab that its events need."""

    boxes: Mapping[str, Component]  # the prompts, by the names of their fields
    generate: gr.Button
    notice: gr.HTML  # what is wrong with the form
    restored: gr.HTML  # what a recipe has filled in
    edited: gr.HTML  # which waiting job the form holds
    copying: tuple[gr.Button, gr.HTML]  # what asks for copies of the form, and is told of them
    mix: gr.HTML | None = None


def desk(tab: str) -> Desk:
    """Prompts, Generate, notices, microscope and mix; the settings follow under it."""
    return with_lenses(tab, top(tab))


def top(tab: str) -> Desk:
    """A desk to which `with_lenses` is still to come."""
    return Desk(prompts.build(tab), *_actions(tab))


def with_lenses(tab: str, desk: Desk) -> Desk:
    """Microscope, mix and cards, here."""
    with gr.Column(elem_classes="dk-lenses"):
        prompts.microscope(tab)
        mixing = prompts.mix(tab)
        prompts.cards(tab)
    return replace(desk, mix=mixing)


def bare_desk(tab: str, says: str) -> Desk:
    """Of a tab that generates nothing: a button that says what it does, and the notices."""
    return Desk({}, *_actions(tab, says))


def connect(services: Services, fields: Form, desk: Desk) -> None:
    """Called inside the tab when all of it is built."""
    owner = gr.Textbox(visible=False)  # filled in the browser; the last input, so the last id
    if desk.mix is not None:
        mix.listen(services, fields, desk.mix, owner)

    def click(sent: dict[Component, Any]) -> Update:
        return gr.HTML(answer=queued(services, fields, sent, str(sent.get(owner) or "")))

    desk.generate.click(
        click,
        {*fields.components.values(), owner},
        [desk.notice],
        js="(...sent) => window.darkroom.withOwner(sent)",
        preprocess=False,
        trigger_mode="multiple",
        **QUIET,
    )
    keep_draft(fields)
    recipe.connect(services.registry, fields, desk.restored)
    queue.connect(services, fields, desk.edited)
    copying.connect(services.registry, fields, *desk.copying)


def queued(
    services: Services, fields: Form, sent: Mapping[Component, Any], owner: str
) -> dict[str, Any]:
    """What the browser is told about a click: the job's id, or what is wrong; of several pictures
    all jobs with the names of the files, and what is wrong with others of them."""
    answer: dict[str, Any] = {"number": secrets.token_hex(4)}  # two equal answers are two answers
    jobs: list[dict[str, Any]] = []
    try:
        given = list(image_values.split(fields.values(sent)))
    except DarkroomError as error:
        return answer | {"error": fields.complaint(failure(error))}
    for name, values in given:
        try:
            packed = options.packed(services.registry, values)
            made = submit_all(services, packed, owner=owner[:80])
        except DarkroomError as error:
            said = fields.complaint(failure(error))
            if len(given) == 1:
                return answer | {"error": said}
            jobs.append({"name": name, "error": said})
        else:
            jobs += _made(name, made)
    several = len(given) > 1 or 1 < len(jobs) <= _HUNG
    kind = "files" if len(given) == len(jobs) else "prompts" if len(given) == 1 else "pictures"
    return answer | ({"jobs": jobs, "kind": kind} if several else {"job": jobs[0]["job"]})


def _made(name: str, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs of one form; of several each is called by its prompt."""
    if len(jobs) == 1:
        return [{"name": name, "job": jobs[0].id}]
    return [{"name": each.request.prompt[:_NAME], "job": each.id} for each in jobs]


def _actions(
    tab: str, says: str = "Generate"
) -> tuple[gr.Button, gr.HTML, gr.HTML, gr.HTML, tuple[gr.Button, gr.HTML]]:
    """Generate, and the places beside it: for what is wrong, was restored, is edited, is copied."""
    with gr.Column(elem_id=f"{tab}_go", elem_classes="dk-go"):
        with gr.Row(elem_id=f"{tab}_actions", elem_classes="dk-actions"):
            generate = gr.Button(
                says, variant="primary", elem_id=f"{tab}_generate", elem_classes="dk-generate"
            )
            if says == "Generate":
                queue.forever(tab)
            copies = copying.button(tab)
            queue.endings(tab)
        notice = problem(tab)
        restored = recipe.notice(tab)
        queue.forever_notice(tab)
        edited = queue.edit_notice(tab)
    return generate, notice, restored, edited, copies


def problem(tab: str) -> gr.HTML:
    """What came of a click: told `answer`, it follows the job, or says what is wrong where."""
    return drawn(
        '<div class="dk-notice" role="alert" hidden></div>',
        script("notice", f"element, {tab!r}, props, watch"),
        f"{tab}_notice",
        "dk-notice-place",
        answer=None,
        fields=form.shown_fields(tab),
    )


def keep_draft(fields: Form) -> None:
    """What is in the form survives a refresh: the browser keeps it, by field name."""
    components = list(fields.components.values())
    page = gr.context.Context.root_block
    assert isinstance(page, gr.Blocks), "a tab is built inside the page"
    page.load(None, components, components, js=_draft("loadDraft", fields))
    changes = [component.change for component in components]  # type: ignore[attr-defined]
    gr.on(changes, None, components, None, js=_draft("saveDraft", fields), show_progress="hidden")


def follow_model(services: Services, quick: QuickSettings, fields: Form) -> None:
    """The model that is chosen brings what suits it, into a tab that nobody has opened yet too:
    such a one tells of no change, so its draft is kept by name."""
    own = {name: box for name, box in fields.components.items() if name not in quick.fields}
    components, save = list(fields.components.values()), _draft("saveDraft", fields)
    for brought in quick_settings.bring(services, quick, own):
        brought.then(None, components, None, js=save, show_progress="hidden", queue=False)


def _draft(does: str, fields: Form) -> str:
    names = list(fields.components)
    shared = [
        name
        for name, box in fields.components.items()
        if name not in fields.own and box.elem_id == form.shared_id(name)
    ]
    return f"(...values) => window.darkroom.{does}({fields.tab!r}, {names!r}, {shared!r}, values)"

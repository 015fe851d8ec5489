"""The tab that makes pictures from text.

A click checks the form, queues a job and returns. What becomes of the job is drawn by the live
view, which is told its id in the browser; this file knows nothing of it.
"""

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.errors import DarkroomError, failure
from webui.interfaces import SamplerInfo, ScheduleInfo
from webui.library import Library, ModelEntry
from webui.services import Services, submit
from webui.ui import form, mix, options, prompts, queue, recipe
from webui.ui.form import Form
from webui.ui.live import QUIET, script

Update = dict[str, Any] | Component


class TextToImage:
    id = "txt2img"
    title = "txt2img"

    def build(self, services: Services) -> None:
        boxes = prompts.build(self.id)
        generate, notice, restored, edited = _actions(self.id)
        with gr.Column(elem_classes="dk-lenses"):
            prompts.microscope(self.id)
            desk = prompts.mix(self.id)
        fields = Form(self.id, MappingProxyType({**boxes, **_settings(self.id, services)}))
        owner = gr.Textbox(visible=False)  # filled in the browser; the last input, so the last id
        mix.listen(services, fields, desk, owner)

        def click(sent: dict[Component, Any]) -> Update:
            return gr.HTML(answer=_queued(services, fields, sent, str(sent.get(owner) or "")))

        generate.click(
            click,
            {*fields.components.values(), owner},
            [notice],
            js="(...sent) => window.darkroom.withOwner(sent)",
            preprocess=False,
            trigger_mode="multiple",
            **QUIET,
        )
        _keep_draft(fields)
        recipe.connect(services.registry, fields, restored)
        queue.connect(services, fields, edited)


def _queued(
    services: Services, fields: Form, sent: Mapping[Component, Any], owner: str
) -> dict[str, Any]:
    """What the browser is told about a click: the job's id, or what is wrong."""
    answer: dict[str, Any] = {"number": secrets.token_hex(4)}  # two equal answers are two answers
    try:
        values = options.packed(services.registry, fields.values(sent))
        answer["job"] = submit(services, values, owner=owner[:80]).id
    except DarkroomError as error:
        answer["error"] = form.complaint(fields.tab, failure(error))
    return answer


def _actions(tab: str) -> tuple[gr.Button, gr.HTML, gr.HTML, gr.HTML]:
    """Generate, and the places beside it: for what is wrong, was restored, is edited."""
    with gr.Column(elem_id=f"{tab}_go", elem_classes="dk-go"):
        with gr.Row(elem_id=f"{tab}_actions", elem_classes="dk-actions"):
            generate = gr.Button(
                "Generate", variant="primary", elem_id=f"{tab}_generate", elem_classes="dk-generate"
            )
            queue.forever(tab)
            queue.endings(tab)
        notice = gr.HTML(
            html_template='<div class="dk-notice" role="alert" hidden></div>',
            js_on_load=script("notice", "element, props, watch"),
            elem_id=f"{tab}_notice",
            apply_default_css=False,
            answer=None,
            fields=form.shown_fields(tab),
        )
        restored = recipe.notice(tab)
        queue.forever_notice(tab)
        edited = queue.edit_notice(tab)
    return generate, notice, restored, edited


def _settings(tab: str, services: Services) -> dict[str, Component]:
    """All but the prompts; built in the order in which they are read."""
    registry, library = services.registry, services.library
    native = _native(library, library.default())
    components: dict[str, Component] = {}
    with gr.Column(elem_id=f"{tab}_settings", elem_classes="dk-stack"):
        with gr.Row(elem_classes="dk-with-buttons"):
            components["model"] = model = _model(tab, library)
            refresh = form.small("Look for new models", "refresh_sd_model_checkpoint", "refresh")
        sampler, schedule = _choices(tab, registry.samplers, registry.schedules)
        components |= {"sampler": sampler, "schedule": schedule}
        components["steps"] = form.slider(tab, "steps")
        components["guidance_scale"] = form.slider(tab, "guidance_scale")
        with gr.Row(elem_classes="dk-with-buttons"):
            with gr.Column(min_width=120, elem_classes="dk-stack"):
                components["width"] = width = form.slider(tab, "width", native[0])
                components["height"] = height = form.slider(tab, "height", native[1])
            swap = form.small("Swap width and height", f"{tab}_res_switch_btn", "swap")
        with gr.Row(elem_classes="dk-pair"):
            components["batch_count"] = form.slider(tab, "batch_count")
            components["batch_size"] = form.slider(tab, "batch_size")
        with gr.Row(elem_classes="dk-with-buttons"):
            components["seed"] = number = form.seed(tab)
            dice = form.small("A new random seed each time", f"{tab}_random_seed", "dice")
            reuse = form.small("The seed of the last picture", f"{tab}_reuse_seed", "recycle")
        components |= options.build(tab, registry, sampler, schedule)
    swap.click(None, [width, height], [width, height], js="(width, height) => [height, width]")
    dice.click(None, None, [number], js=f"() => {form.RANDOM_SEED}")
    reuse.click(None, [number], [number], js="(now) => window.darkroom.lastSeed() ?? now")
    _follow_library(library, model, refresh, width, height)
    return components


def _choices(
    tab: str, samplers: Mapping[str, SamplerInfo], schedules: Mapping[str, ScheduleInfo]
) -> tuple[gr.Dropdown, gr.Dropdown]:
    """The two menus beside each other; what is chosen in them is explained under both."""
    with gr.Row(elem_classes="dk-pair"):
        sampler = form.choice(tab, "sampler", list(samplers), _preferred("sampler", samplers))
        schedule = form.choice(tab, "schedule", list(schedules), _preferred("schedule", schedules))
    with gr.Column(elem_classes="dk-explained"):
        form.explained(sampler, samplers)
        form.explained(schedule, schedules)
    return sampler, schedule


def _preferred(name: str, infos: Mapping[str, Any]) -> str | None:
    default = getattr(form.declared(name), "default", "")
    return default if default in infos else next(iter(infos), None)


# --- the model and its size ----------------------------------------------------------------------


def _model(tab: str, library: Library) -> gr.Dropdown:
    """Unlike the other choices it takes any text: what is on the disk changes behind the page."""
    field = form.declared("model")
    return gr.Dropdown(
        choices=_names(library.entries()),
        value=library.default(),
        label=field.label,
        info=field.help,
        allow_custom_value=True,
        elem_id=form.element_id(tab, "model"),
        elem_classes="dk-field",
    )


def _names(entries: list[ModelEntry]) -> list[tuple[str, str | int | float]]:
    return [
        (f"{entry.name} (cannot be used)" if entry.problem else entry.name, entry.name)
        for entry in entries
    ]


def _native(library: Library, name: str | None) -> tuple[int | None, int | None]:
    """The size the model was trained at; (None, None) if there is no such model."""
    for entry in library.entries():
        if entry.name == name and not entry.problem:
            return entry.native_width, entry.native_height
    return None, None


def _follow_library(
    library: Library, model: gr.Dropdown, refresh: gr.Button, width: gr.Slider, height: gr.Slider
) -> None:
    """Another model brings its own size, unless the user had chosen one; refresh reads the disk."""

    def chosen(name: Any, now_width: Any, now_height: Any) -> tuple[Update, Update]:
        sizes = {(entry.native_width, entry.native_height) for entry in library.entries()}
        native = _native(library, name)
        if (now_width, now_height) not in sizes or None in native:
            return gr.skip(), gr.skip()
        return gr.Slider(value=native[0]), gr.Slider(value=native[1])

    def again(name: Any) -> Update:
        library.refresh()
        entries = library.entries()
        kept = name if name in {entry.name for entry in entries} else library.default()
        return gr.Dropdown(choices=_names(entries), value=kept)

    quiet = {"preprocess": False, **QUIET}
    model.input(chosen, [model, width, height], [width, height], **quiet)
    refresh.click(again, [model], [model], **quiet)


def _keep_draft(fields: Form) -> None:
    """What is in the form survives a refresh: the browser keeps it, by field name."""
    names, components = list(fields.components), list(fields.components.values())
    save = f"(...values) => window.darkroom.saveDraft({fields.tab!r}, {names!r}, values)"
    load = f"(...values) => window.darkroom.loadDraft({fields.tab!r}, {names!r}, values)"
    page = gr.context.Context.root_block
    assert isinstance(page, gr.Blocks), "a tab is built inside the page"
    page.load(None, components, components, js=load)
    changes = [component.change for component in components]  # type: ignore[attr-defined]
    gr.on(changes, None, components, None, js=save, show_progress="hidden")

"""Declared fields as Gradio's components: labels, help, bounds and defaults are the field's own."""

import html
from collections.abc import Mapping, Sequence

import gradio as gr

from webui.fields import RANDOM_SEED, IntegerField, NumberField
from webui.interfaces import SamplerInfo, ScheduleInfo
from webui.ui import form
from webui.ui.element_ids import IDS

_DOT = "\N{MIDDLE DOT}"


def text(tab: str, name: str, *, lines: int, placeholder: str) -> gr.Textbox:
    field = form.declared(name)
    return gr.Textbox(
        label=field.label,
        info=field.help,
        lines=lines,
        max_lines=12,
        placeholder=placeholder,
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
    )


def slider(tab: str, name: str, value: float | None = None) -> gr.Slider:
    field = form.declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Slider(
        minimum=field.minimum,
        maximum=field.maximum,
        step=field.step,
        value=field.default if value is None else value,
        label=field.label,
        info=field.help,
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
        buttons=[],
    )


def choice(
    tab: str, name: str, names: Sequence[str | tuple[str, str]], value: str | None
) -> gr.Dropdown:
    field = form.declared(name)
    return gr.Dropdown(
        choices=list(names),
        value=value,
        label=field.label,
        info=field.help,
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
    )


def shared_choice(name: str, names: Sequence[str], value: str | None) -> gr.Dropdown:
    """A menu above the tabs."""
    box = choice("", name, names, value)
    box.elem_id = form.shared_id(name)
    return box


def number_box(name: str, value: float | None = None) -> gr.Number:
    """A number above the tabs, where a slider would take two lines."""
    field = form.declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Number(
        value=field.default if value is None else value,
        minimum=field.minimum,
        maximum=field.maximum,
        step=field.step,
        label=field.label,
        info=field.help,
        elem_id=form.shared_id(name),
        elem_classes=["dk-field", "dk-quick-number"],
    )


def optional_choice(tab: str, name: str, names: Sequence[str], nothing: str) -> gr.Dropdown:
    """A menu whose first entry, `nothing`, is the empty text."""
    return choice(tab, name, [(nothing, ""), *((each, each) for each in names)], "")


def optional(tab: str, name: str, nothing: str) -> gr.Textbox:
    """A number that may be left empty, as text: Gradio's numbers make 0 of it."""
    field = form.declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Textbox(
        value="",
        lines=1,
        max_lines=1,
        placeholder=nothing,
        label=field.label,
        info=f"{field.help} From {field.minimum:g} to {field.maximum:g}.",
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
    )


def flag(tab: str, name: str) -> gr.Checkbox:
    field = form.declared(name)
    return gr.Checkbox(
        value=bool(field.default),
        label=field.label,
        info=field.help,
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
    )


def segments(tab: str, name: str) -> gr.Radio:
    """A choice among few, all of them in sight."""
    field = form.declared(name)
    return gr.Radio(
        choices=[(each.capitalize(), each) for each in form.choices(name)],
        value=str(field.default),
        label=field.label,
        show_label=False,
        elem_id=form.element_id(tab, name),
        elem_classes=["dk-field", "dk-segmented"],
    )


def seed(tab: str, name: str = "seed") -> gr.Number:
    field = form.declared(name)
    return gr.Number(
        value=RANDOM_SEED,
        label=field.label,
        info=f"{field.help} {RANDOM_SEED} draws a new one each time.",
        elem_id=form.element_id(tab, name),
        elem_classes="dk-field",
    )


def switched(tab: str, end: str) -> gr.Column:
    """A part whose first field is its switch; while that is off nothing else of it is in sight."""
    return gr.Column(elem_id=f"{tab}_{end}", elem_classes=["dk-stack", "dk-switched"])


def switch(tab: str, name: str) -> gr.Checkbox:
    """The switch of the part that `switched` begins."""
    with gr.Row(elem_classes="dk-switch"):
        return flag(tab, name)


def small(says: str, element: str, icon: str) -> gr.Button:
    """A square button with an icon; what it says is its accessible name and its tooltip."""
    classes = ["dk-small", f"dk-icon-{icon}"]
    return gr.Button(says, elem_id=element, elem_classes=classes, min_width=40, scale=0)


def explained(
    tab: str, name: str, box: gr.Dropdown, infos: Mapping[str, SamplerInfo | ScheduleInfo]
) -> gr.HTML:
    """What is chosen in `box` and its one-line help; it follows in the browser."""
    sentences = {
        name: f"<strong>{html.escape(name)}</strong> {html.escape(info.help)}{_cost(info)}"
        for name, info in infos.items()
    }
    line = gr.HTML(
        sentences.get(str(box.value), ""),
        elem_id=f"{tab}_{IDS[name]}_help",
        elem_classes="dk-choice-help",
        apply_default_css=False,
    )
    look_up = f"(name) => ({form.script_json(sentences)})[name] ?? ''"
    box.change(None, [box], [line], js=look_up, show_progress="hidden", queue=False)
    return line


def _cost(info: SamplerInfo | ScheduleInfo) -> str:
    if not isinstance(info, SamplerInfo):
        return ""
    calls = f"{info.calls} model call{'s' if info.calls > 1 else ''}"
    said = (f"order {info.order}", f"{calls} a step", f"Automatic is {info.automatic}")
    return f" <span>({f' {_DOT} '.join(said)})</span>"

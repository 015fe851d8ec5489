"""The generation form: declared fields become components, and what a browser sent becomes values.

Components only show and collect. Nothing a browser sends is trusted or repaired here: the events
run without Gradio's own checks, and `services.submit` judges every value, so that a wrong one comes
back as a marked field and never as a stack trace.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.errors import Failure, InvalidRequest
from webui.fields import (
    BATCH_COUNT,
    FIELDS,
    FORM,
    ChoiceField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
)
from webui.interfaces import SamplerInfo, ScheduleInfo
from webui.ui.element_ids import IDS, SHARED_IDS, fold_of

RANDOM_SEED = -1
_DOT = "\N{MIDDLE DOT}"

ORDERS = tuple(str(order) for order in range(1, 5))  # menus hold text
_OPTIONAL = frozenset(name for name in IDS if "." in name)


def declared(name: str) -> FormField:
    """The field of that name, the form's own included."""
    return FORM.get(name) or FIELDS[name]


def choices(name: str) -> tuple[str, ...]:
    """What the field of that name may be, where its declaration lists it; the default first."""
    field = declared(name)
    return field.choices if isinstance(field, ChoiceField) else ()


def element_id(tab: str, name: str) -> str:
    """Where a field stands unless the user has put it above the tabs."""
    return SHARED_IDS[name] if name in SHARED_IDS else f"{tab}_{IDS[name]}"


def shared_id(name: str) -> str:
    """Above the tabs."""
    return SHARED_IDS.get(name) or f"setting_{IDS[name]}"


# --- components ----------------------------------------------------------------------------------


def text(tab: str, name: str, *, lines: int, placeholder: str) -> gr.Textbox:
    field = declared(name)
    return gr.Textbox(
        label=field.label,
        info=field.help,
        lines=lines,
        max_lines=12,
        placeholder=placeholder,
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
    )


def slider(tab: str, name: str, value: float | None = None) -> gr.Slider:
    field = declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Slider(
        minimum=field.minimum,
        maximum=field.maximum,
        step=field.step,
        value=field.default if value is None else value,
        label=field.label,
        info=field.help,
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
        buttons=[],
    )


def choice(
    tab: str, name: str, names: Sequence[str | tuple[str, str]], value: str | None
) -> gr.Dropdown:
    field = declared(name)
    return gr.Dropdown(
        choices=list(names),
        value=value,
        label=field.label,
        info=field.help,
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
    )


def shared_choice(name: str, names: Sequence[str], value: str | None) -> gr.Dropdown:
    """A menu above the tabs."""
    box = choice("", name, names, value)
    box.elem_id = shared_id(name)
    return box


def number_box(name: str) -> gr.Number:
    """A number above the tabs, where a slider would take two lines."""
    field = declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Number(
        value=field.default,
        minimum=field.minimum,
        maximum=field.maximum,
        step=field.step,
        label=field.label,
        info=field.help,
        elem_id=shared_id(name),
        elem_classes=["dk-field", "dk-quick-number"],
    )


def optional_choice(tab: str, name: str, names: Sequence[str], nothing: str) -> gr.Dropdown:
    """A menu whose first entry, `nothing`, is the empty text."""
    return choice(tab, name, [(nothing, ""), *((each, each) for each in names)], "")


def optional(tab: str, name: str, nothing: str) -> gr.Textbox:
    """A number that may be left empty, as text: Gradio's numbers make 0 of it."""
    field = declared(name)
    if not isinstance(field, IntegerField | NumberField):
        raise TypeError(f"{name} is not a number")
    return gr.Textbox(
        value="",
        lines=1,
        max_lines=1,
        placeholder=nothing,
        label=field.label,
        info=f"{field.help} From {field.minimum:g} to {field.maximum:g}.",
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
    )


def flag(tab: str, name: str) -> gr.Checkbox:
    field = declared(name)
    return gr.Checkbox(
        value=bool(field.default),
        label=field.label,
        info=field.help,
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
    )


def segments(tab: str, name: str) -> gr.Radio:
    """A choice among few, all of them in sight."""
    field = declared(name)
    return gr.Radio(
        choices=[(each.capitalize(), each) for each in choices(name)],
        value=str(field.default),
        label=field.label,
        show_label=False,
        elem_id=element_id(tab, name),
        elem_classes=["dk-field", "dk-segmented"],
    )


def seed(tab: str, name: str = "seed") -> gr.Number:
    field = declared(name)
    return gr.Number(
        value=RANDOM_SEED,
        label=field.label,
        info=f"{field.help} {RANDOM_SEED} draws a new one each time.",
        elem_id=element_id(tab, name),
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
    look_up = f"(name) => ({script_json(sentences)})[name] ?? ''"
    box.change(None, [box], [line], js=look_up, show_progress="hidden", queue=False)
    return line


def _cost(info: SamplerInfo | ScheduleInfo) -> str:
    if not isinstance(info, SamplerInfo):
        return ""
    calls = f"{info.calls} model call{'s' if info.calls > 1 else ''}"
    said = (f"order {info.order}", f"{calls} a step", f"Automatic is {info.automatic}")
    return f" <span>({f' {_DOT} '.join(said)})</span>"


def script_json(value: object) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")


def number(name: str, value: Any) -> Any:
    """What was typed as a number; anything else is left for the check."""
    if not isinstance(value, str) or isinstance(declared(name), TextField | ChoiceField):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


# --- values --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """The components of one tab by the names that `services.submit` knows."""

    tab: str
    components: Mapping[str, Component]

    def values(self, sent: Mapping[Component, Any]) -> dict[str, Any]:
        """What to submit, from Gradio's inputs. Raises InvalidRequest for what was left empty."""
        return {
            name: _value(declared(name), sent.get(component))
            for name, component in self.components.items()
        }


def _value(field: FormField, sent: Any) -> Any:
    """Browsers know no integers: 20.0 is 20. Whatever else is wrong is left for the check."""
    if sent is None and field.name in _OPTIONAL:
        return None
    if sent is None and not isinstance(field, TextField):  # also what JSON makes of NaN
        hint = f"; try {field.default}" if field.default != "" else ""
        raise InvalidRequest(field.name, "is empty" + hint)
    return int(sent) if isinstance(sent, float) and sent.is_integer() else sent


def shown_fields(tab: str) -> dict[str, dict[str, str]]:
    """For each request field that can be blamed: the label, the element to mark, and its fold."""
    names = {name: name for name in (*SHARED_IDS, *IDS)}
    names["images"] = BATCH_COUNT.name  # it has no control of its own
    return {name: _shown(tab, shown) for name, shown in names.items()}


def _shown(tab: str, name: str) -> dict[str, str]:
    shown = {"label": declared(name).label, "element": element_id(tab, name)}
    fold = fold_of(name)
    return shown | ({"inside": f"{tab}_{fold}"} if fold else {})


def complaint(tab: str, failure: Failure) -> dict[str, str]:
    """A failure for the browser: the sentence, and the element to mark if a field is to blame."""
    shown = shown_fields(tab).get(failure.field or "")
    if shown:
        return {"text": _sentence(failure.text), **shown}
    named = f"{failure.field}: " if failure.field else ""
    return {"text": _sentence(named + failure.text), "label": "", "element": ""}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."

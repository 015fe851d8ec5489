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
    OWN_SIGMAS,
    AnyField,
    ChoiceField,
    IntegerField,
    NumberField,
    TextField,
)
from webui.interfaces import SamplerInfo, ScheduleInfo

RANDOM_SEED = -1
_DOT = "\N{MIDDLE DOT}"

# The field's name -> the end of its element id; A1111's ids, which users' scripts and styles know.
_IDS = {
    "prompt": "prompt",
    "negative_prompt": "neg_prompt",
    "sampler": "sampling",
    "schedule": "scheduler",
    "steps": "steps",
    "guidance_scale": "cfg_scale",
    "width": "width",
    "height": "height",
    "batch_count": "batch_count",
    "batch_size": "batch_size",
    "seed": "seed",
    "variation.seed": "subseed",
    "variation.strength": "subseed_strength",
    "seed_resize.width": "seed_resize_from_w",
    "seed_resize.height": "seed_resize_from_h",
    # and those for which A1111 has no element
    "sampling.eta": "eta",
    "sampling.s_churn": "s_churn",
    "sampling.s_tmin": "s_tmin",
    "sampling.s_tmax": "s_tmax",
    "sampling.s_noise": "s_noise",
    "sampling.order": "solver_order",
    "sampling.solver_type": "solver_type",
    "schedule_options.sigma_min": "sigma_min",
    "schedule_options.sigma_max": "sigma_max",
    "schedule_options.rho": "rho",
    "schedule_options.sigmas": "sigmas",
    "rng": "rng",
    "emphasis": "emphasis",
    "clip_skip": "clip_skip",
}
# The folds: their end of the id, and of which fields' names the first part stands inside.
PROMPT_FOLD, SAMPLER_FOLD, SEED_FOLD = "prompt_options", "sampler_options", "subseed_row"
_FOLDS = {
    "emphasis": PROMPT_FOLD,
    "clip_skip": PROMPT_FOLD,
    "sampling": SAMPLER_FOLD,
    "schedule_options": SAMPLER_FOLD,
    "variation": SEED_FOLD,
    "seed_resize": SEED_FOLD,
    "rng": SEED_FOLD,
}
ORDERS = tuple(str(order) for order in range(1, 5))  # menus hold text
_OPTIONAL = frozenset(name for name in _IDS if "." in name)
_OF_FORMS: Mapping[str, AnyField] = {each.name: each for each in (BATCH_COUNT, OWN_SIGMAS)}
_MODEL_ID = "setting_sd_model_checkpoint"  # A1111's; it belongs to no tab there


def declared(name: str) -> AnyField:
    """The field of that name, the form's own included."""
    return _OF_FORMS.get(name) or FIELDS[name]


def choices(name: str) -> tuple[str, ...]:
    """What the field of that name may be, where its declaration lists it; the default first."""
    field = declared(name)
    return field.choices if isinstance(field, ChoiceField) else ()


def element_id(tab: str, name: str) -> str:
    return _MODEL_ID if name == "model" else f"{tab}_{_IDS[name]}"


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


def seed(tab: str, name: str = "seed") -> gr.Number:
    field = declared(name)
    return gr.Number(
        value=RANDOM_SEED,
        label=field.label,
        info=f"{field.help} {RANDOM_SEED} draws a new one each time.",
        elem_id=element_id(tab, name),
        elem_classes="dk-field",
    )


def small(says: str, element: str, icon: str) -> gr.Button:
    """A square button with an icon; what it says is its accessible name and its tooltip."""
    classes = ["dk-small", f"dk-icon-{icon}"]
    return gr.Button(says, elem_id=element, elem_classes=classes, min_width=40, scale=0)


def explained(box: gr.Dropdown, infos: Mapping[str, SamplerInfo | ScheduleInfo]) -> gr.HTML:
    """What is chosen in `box` and its one-line help; it follows in the browser."""
    sentences = {
        name: f"<strong>{html.escape(name)}</strong> {html.escape(info.help)}{_cost(info)}"
        for name, info in infos.items()
    }
    line = gr.HTML(
        sentences.get(str(box.value), ""),
        elem_id=f"{box.elem_id}_help",
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


def _value(field: AnyField, sent: Any) -> Any:
    """Browsers know no integers: 20.0 is 20. Whatever else is wrong is left for the check."""
    if sent is None and field.name in _OPTIONAL:
        return None
    if sent is None and not isinstance(field, TextField):  # also what JSON makes of NaN
        hint = f"; try {field.default}" if field.default != "" else ""
        raise InvalidRequest(field.name, "is empty" + hint)
    return int(sent) if isinstance(sent, float) and sent.is_integer() else sent


def shown_fields(tab: str) -> dict[str, dict[str, str]]:
    """For each request field that can be blamed: the label, the element to mark, and its fold."""
    names = {name: name for name in ("model", *_IDS)}
    names["images"] = BATCH_COUNT.name  # it has no control of its own
    return {name: _shown(tab, shown) for name, shown in names.items()}


def _shown(tab: str, name: str) -> dict[str, str]:
    shown = {"label": declared(name).label, "element": element_id(tab, name)}
    fold = _FOLDS.get(name.split(".")[0])
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

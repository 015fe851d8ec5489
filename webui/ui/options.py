"""How a prompt is read, what not every sampler or schedule has, and the noise; in closed folds.

What the chosen sampler and schedule cannot be told is hidden, in the browser, and is not sent on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from webui import controls
from webui.errors import InvalidRequest
from webui.fields import FIELDS, OWN_SIGMAS, RANDOM_SEED, shown
from webui.interfaces import ServerRegistry
from webui.names import schedule_parameters
from webui.ui import boxes, form, image_values
from webui.ui.element_ids import PROMPT_FOLD, SAMPLER_FOLD, SEED_FOLD

_SAMPLING = tuple(name for name in FIELDS if name.startswith("sampling."))
_SCHEDULING = tuple(name for name in FIELDS if name.startswith("schedule_options."))
# What these menus hold depends on the sampler; all of it until the browser has fitted them.
MENUS: Mapping[str, Sequence[str]] = {
    "sampling.order": form.ORDERS,
    "sampling.solver_type": form.choices("sampling.solver_type"),
}

Values = Mapping[str, Any]


def build(
    tab: str,
    registry: ServerRegistry,
    sampler: gr.Dropdown,
    schedule: gr.Dropdown,
    shared: Mapping[str, Component],
) -> dict[str, Component]:
    """The folds; built in the order in which they are read, without what is `shared`."""
    components: dict[str, Component] = {}
    if "emphasis" not in shared:
        with fold("Prompt details", tab, PROMPT_FOLD):
            emphases = [(each.capitalize(), each) for each in form.choices("emphasis")]
            components["emphasis"] = boxes.choice(tab, "emphasis", emphases, emphases[0][1])
    with fold("Sampler and schedule details", tab, SAMPLER_FOLD):
        with gr.Row(elem_classes="dk-grid"):
            for name in (*_SAMPLING, *_SCHEDULING):
                components[name] = (
                    boxes.optional_choice(tab, name, MENUS[name], "Default")
                    if name in MENUS
                    else boxes.optional(tab, name, "Default")
                )
        own = boxes.text(tab, OWN_SIGMAS.name, lines=1, placeholder="14.6, 7, 3, 1, 0")
        components[OWN_SIGMAS.name] = own
    with fold("Extra seed", tab, SEED_FOLD):
        components |= _noise(tab, shared)
    menus = [components[name] for name in MENUS]
    page = gr.context.Context.root_block
    assert isinstance(page, gr.Blocks), "a tab is built inside the page"
    table = form.script_json(_table(tab, registry))
    gr.on(
        [page.load, sampler.change, schedule.change, own.change],
        None,
        [sampler, schedule, own, *menus],
        menus,
        js=f"(...values) => window.darkroom.fitOptions({tab!r}, {table}, values)",
        show_progress="hidden",
        queue=False,
    )
    return components


def _noise(tab: str, shared: Mapping[str, Component]) -> dict[str, Component]:
    components: dict[str, Component] = {
        "variation.seed": boxes.seed(tab, "variation.seed"),
        "variation.strength": boxes.slider(tab, "variation.strength"),
    }
    with gr.Row(elem_classes="dk-grid"):
        for name in ("seed_resize.width", "seed_resize.height"):
            components[name] = boxes.optional(tab, name, "Off")
    if "rng" not in shared:
        rng = form.choices("rng")
        components["rng"] = boxes.choice(tab, "rng", rng, rng[0])
    return components


def fold(title: str, tab: str, end: str) -> gr.Column:
    """A closed fold. Unlike Gradio's, what is in it is there before it is first opened."""
    element = f"{tab}_{end}"
    made = gr.Column(elem_id=element, elem_classes="dk-fold")
    with made:
        button = gr.Button(title, elem_classes="dk-fold-button")
    button.click(None, js=f"() => window.darkroom.turnFold({element!r})")
    return made


def _table(tab: str, registry: ServerRegistry) -> dict[str, Any]:
    """For the browser: which elements are hidden with each choice, and what is in the menus."""

    def lacking(names: Iterable[str], parameters: Iterable[str]) -> list[str]:
        has = set(parameters)
        return [form.element_id(tab, name) for name in names if name.split(".")[1] not in has]

    return {
        "samplers": {
            name: {
                "lacks": lacking(_SAMPLING, info.parameters),
                "automatic": lacking(_SCHEDULING, schedule_parameters(registry, name, "Automatic")),
                "menus": [[str(order) for order in info.orders], list(info.solver_types)],
            }
            for name, info in registry.samplers.items()
        },
        "schedules": {
            name: lacking(_SCHEDULING, info.parameters) for name, info in registry.schedules.items()
        },
        "own": lacking(_SCHEDULING, ()),
    }


def menu(registry: ServerRegistry, name: str, sampler: str, value: Any) -> dict[str, Any]:
    """What to show in the menu `name` with that sampler; as `fitOptions` does in the browser.

    A sampler without such an option hides the menu, which then keeps `value` for one that has it.
    """
    info = registry.samplers.get(sampler)
    orders = [str(order) for order in info.orders] if info else []
    types = list(info.solver_types) if info else []
    offered = orders if name == "sampling.order" else types
    nothing = f"Default ({offered[0]})" if offered else "Default"
    kept = value if not offered or value in offered else ""
    entries = sorted(offered) if offered else [kept] if kept else []
    choices = [[nothing, ""], *([each, each] for each in entries)]
    return {"__type__": "update", "choices": choices, "value": kept}


# --- values --------------------------------------------------------------------------------------


def packed(registry: ServerRegistry, values: Values) -> dict[str, Any]:
    """`values` by the parts of a request, without what is empty, off or hidden.

    Raises InvalidRequest for noise levels that are no numbers, and for half a size.
    """
    whole = {name: value for name, value in values.items() if "." not in name}
    given = {
        name: form.number(name, value)
        for name, value in values.items()
        if "." in name and value not in (None, "") and not name.startswith("extras.")
    }
    sampler, schedule = _named(whole, "sampler"), _named(whole, "schedule")
    info = registry.samplers.get(sampler)
    known = info is not None and schedule in registry.schedules
    levels = schedule_parameters(registry, sampler, schedule) if known else ()
    parts = {
        "sampling": _part(given, _SAMPLING, info.parameters if info else ()),
        "schedule_options": _part(given, _SCHEDULING, levels),
        "variation": _variation(given),
    }
    if own := _own_sigmas(given):
        parts["schedule_options"] = {"sigmas": own}
        whole.pop("steps", None)  # the levels say how many there are
    if size := _seed_size(given):
        whole["seed_resize"] = size
    whole |= {name: part for name, part in parts.items() if part}
    return whole | controls.nested(values) | image_values.packed(values)


def _named(values: Values, name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _part(given: Values, names: Iterable[str], parameters: Iterable[str]) -> dict[str, Any]:
    known = set(parameters)
    ends = {name: name.split(".")[1] for name in names if name in given}
    return {end: given[name] for name, end in ends.items() if end in known}


def _variation(given: Values) -> dict[str, Any]:
    strength = given.get("variation.strength", 0)
    if strength == 0:
        return {}
    return {"seed": given.get("variation.seed", RANDOM_SEED), "strength": strength}


def _seed_size(given: Values) -> list[Any] | None:
    sides = ("seed_resize.width", "seed_resize.height")
    for side, other in (sides, sides[::-1]):
        if side not in given and other in given:
            raise InvalidRequest(side, "is empty, and the other side is not; fill in both or none")
    return [given[side] for side in sides] if sides[0] in given else None


def _own_sigmas(given: Values) -> list[float] | None:
    text = given.get(OWN_SIGMAS.name, "")
    OWN_SIGMAS.check(text)
    levels = []
    for each in text.replace(",", " ").split():
        try:
            levels.append(float(each))
        except ValueError:
            raise InvalidRequest(
                OWN_SIGMAS.name, f"must be numbers with commas between, got {shown(each)}"
            ) from None
    return levels or None


# --- and back ------------------------------------------------------------------------------------

_NOTHING: Mapping[str, Any] = {"variation.seed": RANDOM_SEED, "variation.strength": 0}


def unpacked(values: Values) -> dict[str, Any]:
    """A recipe's `values` as the form's components hold them; `packed` makes the same of it again.

    Options without a value are empty or off. What else has none is left out: it stays as it is.
    """
    return (
        {
            name: _shown(name, value)
            for name, value in values.items()
            if ("." in name or value is not None)
            and not image_values.own(name)
            and not name.startswith("extras.")
        }
        | image_values.unpacked(values)
        | _extras(values)
    )


def _extras(values: Values) -> dict[str, Any]:
    """What a recipe says of extensions, as it stands."""
    return {name: value for name, value in values.items() if name.startswith("extras.")}


def _shown(name: str, value: Any) -> Any:
    if "." not in name or name in _NOTHING:
        return _NOTHING[name] if value is None else value
    return "" if value is None else _digits(value)


def _digits(value: Any) -> str:
    """All of them: what is read again is the same number."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)

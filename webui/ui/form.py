"""The generation form: where each declared field stands, and what a browser sent becomes values.

Components (`boxes`) only show and collect. Nothing a browser sends is trusted or repaired here: the
events run without Gradio's own checks, and `services.submit` judges every value, so that a wrong
one comes back as a marked field and never as a stack trace.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from webui.errors import Failure, InvalidRequest
from webui.fields import (
    BATCH_COUNT,
    FIELDS,
    FORM,
    RANDOM_SEED,
    ChoiceField,
    FormField,
    SeedField,
    TextField,
)
from webui.ui.element_ids import IDS, SHARED_IDS, fold_of

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


@dataclass(frozen=True, slots=True)
class Form:
    """The components of one tab by the names that `services.submit` knows."""

    tab: str
    components: Mapping[str, Component]
    own: Mapping[str, FormField] = field(
        default_factory=dict
    )  # extensions' fields: "extras.GROUP.NAME"

    def values(self, sent: Mapping[Component, Any]) -> dict[str, Any]:
        """What to submit, from Gradio's inputs. Raises InvalidRequest for what was left empty."""
        return {
            name: _value(self.own.get(name) or declared(name), sent.get(component))
            for name, component in self.components.items()
        }

    def complaint(self, failure: Failure) -> dict[str, str]:
        """As the function of that name."""
        own = self.own.get(failure.field or "")
        if own is None:
            return complaint(self.tab, failure)
        element = own_id(self.tab, failure.field or "")
        fold = element.removesuffix(f"_{own.name.rpartition('.')[2]}")
        return {
            "text": _sentence(failure.text),
            "label": own.label,
            "element": element,
            "inside": f"{fold}_fold",
        }


def own_id(tab: str, name: str) -> str:
    """The element of an extension's field, "extras.GROUP.NAME"."""
    return f"{tab}_{name.removeprefix('extras.').replace('.', '_')}"


def _value(field: FormField, sent: Any) -> Any:
    """Browsers know no integers: 20.0 is 20. Whatever else is wrong is left for the check."""
    if sent is None and field.name in _OPTIONAL:
        return None
    if sent is None and isinstance(field, SeedField):
        return RANDOM_SEED  # as in A1111
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

"""Extensions' controls on the generating tabs: each group a fold, built from its declaration.

Nothing here knows an extension: page, API and metadata read the same fields.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import gradio as gr
from gradio.components import Component

from webui.extensions import BUILTIN, MishapError
from webui.fields import ChoiceField, FlagField, FormField, IntegerField, NumberField, TextField
from webui.interfaces import ServerRegistry
from webui.interfaces.server_hooks import ControlGroup
from webui.services import Services
from webui.ui import form, options

_MOST_OFFERED = 1000
_LINES = 200  # characters of a text beyond which its box is high


def fields(registry: ServerRegistry) -> dict[str, FormField]:
    """Those of all groups, by the names that a form knows: "extras.GROUP.NAME"."""
    return {
        f"extras.{name}.{each.name}": replace(each, name=f"extras.{name}.{each.name}")
        for name, group in registry.controls.items()
        for each in group.fields
    }


def build(tab: str, services: Services) -> dict[str, Component]:
    """A fold for each group that belongs to the tab; in the browser they can be moved."""
    components: dict[str, Component] = {}
    there = [each for each in services.registry.controls.values() if tab in each.tabs]
    if not there:
        return components
    with gr.Column(elem_id=f"{tab}_groups", elem_classes="dk-groups"):
        for group in there:
            with options.fold(group.title, tab, f"{group.name}_fold"):
                components |= _group(tab, group, services)
    return components


def _group(tab: str, group: ControlGroup, services: Services) -> dict[str, Component]:
    if group.help:
        gr.HTML(
            html_template="<p>${value}</p>",
            value=group.help,
            elem_classes="dk-group-help",
            apply_default_css=False,
        )
    return {
        f"extras.{group.name}.{each.name}": _menu(tab, group, each, services)
        if each.name in group.menus
        else _component(each, form.own_id(tab, f"extras.{group.name}.{each.name}"))
        for each in group.fields
    }


def _menu(tab: str, group: ControlGroup, field: FormField, services: Services) -> Component:
    """A text that is mostly one of several, which the extension lists."""
    owner = services.registry.owners.get(group.name, BUILTIN)
    offered: list[str] = []
    with suppress(MishapError):
        offered = services.extensions.conduct.attempt_soon(
            owner, "menu", lambda: _offered(group.menus[field.name](services, tab))
        )
    return gr.Dropdown(
        choices=list(offered),
        value=str(field.default),
        allow_custom_value=True,
        label=field.label,
        info=field.help,
        elem_id=form.own_id(tab, f"extras.{group.name}.{field.name}"),
        elem_classes="dk-field",
    )


def _offered(given: Iterable[object]) -> list[str]:
    return [str(each) for each in islice(given, _MOST_OFFERED)]


def _component(field: FormField, element: str) -> Component:
    said: dict[str, Any] = {"label": field.label, "info": field.help, "elem_id": element}
    if isinstance(field, FlagField):
        with gr.Row(elem_classes="dk-switch"):
            return gr.Checkbox(value=field.default, elem_classes="dk-field", **said)
    if isinstance(field, IntegerField | NumberField):
        return gr.Slider(
            minimum=field.minimum,
            maximum=field.maximum,
            step=field.step,
            value=field.default,
            elem_classes="dk-field",
            buttons=[],
            **said,
        )
    if isinstance(field, ChoiceField):
        names: list[str | tuple[str, str]] = [
            (each[:1].upper() + each[1:], each) for each in field.choices
        ]
        return gr.Dropdown(choices=names, value=field.default, elem_classes="dk-field", **said)
    assert isinstance(field, TextField)
    lines = 1 if field.max_length <= _LINES else 4
    return gr.Textbox(
        value=field.default, lines=lines, max_lines=12, elem_classes="dk-field", **said
    )

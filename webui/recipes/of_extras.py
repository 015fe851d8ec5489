"""What a recipe says of extensions' controls -> the form's values, "extras.GROUP.NAME"."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from webui import controls
from webui.errors import InvalidRequest
from webui.extensions import MishapError
from webui.interfaces import ServerRegistry
from webui.recipes.settled import Draft, Tables


def of_request(registry: ServerRegistry, draft: Draft, extras: Mapping[str, Any]) -> None:
    """Exact; what is not there any more is lost."""
    draft.values |= unsaid(registry)
    for name, given in extras.items():
        group = registry.controls.get(name)
        if name == controls.DID_NOT_RUN:
            continue
        try:
            if group is None:
                raise InvalidRequest(name, "there is no such extension here")
            values = controls.settled({name: group}, {name: given}).get(name, {})
        except InvalidRequest as error:
            draft.lose(name, given, error.problem)
            continue
        shown = {each.name for each in group.fields}
        draft.values |= {f"extras.{name}.{key}": values[key] for key in values if key in shown}


def of_pair(tables: Tables, draft: Draft, key: str, text: str) -> bool:
    """Whether the key of a text is an extension's; its value is then in the draft, or lost."""
    registry = tables.registry
    if (owned := registry.metadata_fields.get(key)) is not None:
        if owned.value.means is None:
            return True
        try:
            said = tables.conduct.attempt_soon(
                owned.owner, "metadata field", partial(_said, owned.value.means, text)
            )
        except MishapError as error:
            draft.lose(key, text, f"{error.mishap.owner} failed: {error.mishap.text}")
            return True
        return _meant(registry, draft, said)
    if key not in (known := controls.keys(registry.controls)):
        return False
    name, field = known[key]
    try:
        draft.values[name] = controls.understood(field, text)
    except InvalidRequest as error:
        draft.lose(key, text, error.problem)
    return True


def _said(means: Callable[[str], object], text: str) -> Mapping[str, Any] | None:
    """Raises TypeError for what is neither a mapping nor None."""
    values = means(text)
    if not (values is None or isinstance(values, Mapping)):
        raise TypeError(f"must give a mapping or None, gave {type(values).__name__}")
    return values


def _meant(registry: ServerRegistry, draft: Draft, values: Mapping[str, Any] | None) -> bool:
    """What a text's value means for controls; whether it means anything."""
    fields = {
        f"{name}.{each.name}": each
        for name, group in registry.controls.items()
        for each in group.fields
    }
    for name, value in (values or {}).items():
        if name in fields:
            with suppress(InvalidRequest):
                fields[name].check(value)
                draft.values[f"extras.{name}"] = value
    return values is not None


def unsaid(registry: ServerRegistry) -> dict[str, Any]:
    """What a recipe means by saying nothing of a group."""
    return {
        f"extras.{name}.{each.name}": each.default
        for name, group in registry.controls.items()
        for each in group.fields
    }

"""Extensions' controls in a request: their values checked, completed, and said in the metadata.

`request.extras` maps a group's name to its values, all of them; a group of which all values are the
defaults is not there, and one that is off has no others. Beside the groups stands DID_NOT_RUN: what
was to change the request, and failed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from webui.errors import InvalidRequest
from webui.extensions import Conduct, Mishap, MishapError
from webui.fields import FlagField, FormField, shown
from webui.interfaces import ServerRegistry
from webui.interfaces.server_hooks import ControlGroup
from webui.request import GenerationRequest

DID_NOT_RUN = "did_not_run"  # never a group's name: no extension may be called so
SWITCH = "on"  # of a group that has a flag of this name: without it the group does nothing
Groups = Mapping[str, ControlGroup]


def defaults(group: ControlGroup) -> dict[str, Any]:
    return {each.name: each.default for each in (*group.fields, *group.written)}


def settled(groups: Groups, extras: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Checked, complete, without what changes nothing. Raises InvalidRequest: extras.GROUP.NAME."""
    made = {}
    for name, given in extras.items():
        if name == DID_NOT_RUN:  # of the request that this one is a copy of; now it may
            continue
        group = groups.get(name)
        if group is None:
            known = f"; known are {', '.join(groups)}" if groups else ""
            raise InvalidRequest(
                "extras", f"names {shown(name)}, but there is no such extension{known}"
            )
        values = _without_idle(group, _checked(group, given))
        if values != defaults(group):
            made[name] = values
    return made


def groups(request: GenerationRequest) -> list[str]:
    """The names of those that it has."""
    return [name for name in request.extras if name != DID_NOT_RUN]


def complete(groups: Groups, request: GenerationRequest) -> GenerationRequest:
    """The request with its extras settled. Raises InvalidRequest."""
    return replace(request, extras=settled(groups, request.extras))


def _checked(group: ControlGroup, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"extras.{group.name}", f"must be an object, got {shown(given)}")
    values = defaults(group)
    for name, value in given.items():
        if name not in values:
            raise InvalidRequest(
                f"extras.{group.name}.{str(name)[:80]}",
                f"is not a field; known are {', '.join(values)}",
            )
        values[name] = value
    for each in (*group.fields, *group.written):
        field: FormField = replace(each, name=f"extras.{group.name}.{each.name}")
        field.check(values[each.name])
    return values


def _without_idle(group: ControlGroup, values: dict[str, Any]) -> dict[str, Any]:
    """Of a group that its switch turns off nothing but that and what extensions wrote: what was
    typed for another time is nothing for those who get the picture."""
    if values.get(SWITCH) is not False:
        return values
    return {**values, **{each.name: each.default for each in group.fields}, SWITCH: False}


def with_mishap(request: GenerationRequest, mishap: Mishap) -> GenerationRequest:
    """The request, saying that an extension did not change it."""
    failed = [*request.extras.get(DID_NOT_RUN, ()), mishap.note]
    return replace(request, extras={**request.extras, DID_NOT_RUN: failed})


def notes(
    registry: ServerRegistry, conduct: Conduct, request: GenerationRequest
) -> tuple[str, ...]:
    """What a picture's text says of extensions: "key: value"."""
    said = [*_of_controls(registry.controls, request)]
    for key, owned in registry.metadata_fields.items():
        try:
            value = conduct.attempt_soon(
                owned.owner, "metadata field", partial(_text, owned.value.of, request)
            )
        except MishapError as error:
            said.append(error.mishap.note)
        else:
            if value:
                said.append(f"{key}: {value}")
    failed = request.extras.get(DID_NOT_RUN, ())
    return (*said, *(str(each) for each in failed))


def _text(of: Callable[[GenerationRequest], object], request: GenerationRequest) -> str | None:
    value = of(request)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"must give text or None, gave {type(value).__name__}")
    return value[:100_000] if value else None


def _of_controls(groups: Groups, request: GenerationRequest) -> Iterator[str]:
    for name, values in request.extras.items():
        group = groups.get(name)
        for each in group.fields if group else ():
            value = values.get(each.name, each.default)
            if each.metadata and value != each.default:
                yield f"{each.metadata}: {said(value)}"


def said(value: Any) -> str:
    """As it stands in a picture's text."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return f"{value:g}" if isinstance(value, float) else str(value)


def understood(field: FormField, text: str) -> Any:
    """The inverse. Raises InvalidRequest."""
    value: Any = text
    if isinstance(field, FlagField):
        value = {"True": True, "False": False}.get(text, text)
    elif not isinstance(field.default, str):
        try:
            value = type(field.default)(float(text))
        except (ValueError, OverflowError):
            value = text
    field.check(value)
    return value


def keys(groups: Groups) -> dict[str, tuple[str, FormField]]:
    """A text's key -> the form's name of the field, and the field."""
    return {
        each.metadata: (f"extras.{name}.{each.name}", each)
        for name, group in groups.items()
        for each in group.fields
        if each.metadata
    }


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """A form's "extras.GROUP.NAME" as a request has it: GROUP -> NAME -> value."""
    extras: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name.startswith("extras."):
            _, group, field = name.split(".")
            extras.setdefault(group, {})[field] = value
    return {"extras": extras} if extras else {}

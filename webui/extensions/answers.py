"""What a hook may answer: the type of each table's entries, their names, their number.

Checked before anything else of the program sees them; for what ships as well.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from webui.errors import ExtensionError, InvalidRequest
from webui.extensions import own_keys
from webui.fields import AXES, ChoiceField, FlagField, IntegerField, NumberField, TextField
from webui.interfaces import (
    Axis,
    LatentResize,
    PictureResize,
    PreviewInfo,
    SamplerEntry,
    SamplerInfo,
    ScheduleInfo,
    UpscalerInfo,
)
from webui.interfaces.axes import AxisKind
from webui.interfaces.engine_hooks import (
    AttentionProcessor,
    ConditioningTransform,
    DenoiserWrapper,
    ImageOperation,
    StepListener,
)
from webui.interfaces.server_hooks import (
    GENERATING,
    ControlGroup,
    EventListener,
    MetadataField,
    PageFile,
    PromptBlock,
    RequestFilter,
    SendTarget,
    SettingsPage,
)

MOST = 200  # entries of a table
MOST_PAGE = 2**20  # bytes of a script or a style
KEY = re.compile(r"\w[\w \-/]{1,79}")  # of a picture's text, as readers know keys
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_ADDRESS = re.compile(r"[a-z0-9_-]{1,40}(/[a-z0-9_-]{1,40}){0,4}", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}(\.(js|css))", re.ASCII)
_FIELDS = (TextField, ChoiceField, IntegerField, NumberField, FlagField)

Entry = tuple[str, Any]  # its name in the table, and it


def entries(hook: str, answer: object, engine: bool) -> list[Entry]:
    """The entries of a hook's answer by their names. Raises ExtensionError."""
    kind, named = (_ENGINE if engine else _SERVER)[hook]
    given: Iterable[tuple[Any, Any]] | None
    if named is None:
        given = answer.items() if isinstance(answer, Mapping) else None
    else:
        listed = answer if isinstance(answer, Sequence) and not isinstance(answer, str) else None
        given = None if listed is None else ((_name_of(each, named), each) for each in listed)
    if given is None:
        wanted = "a sequence" if named is not None else "a mapping of names"
        raise ExtensionError(f"must return {wanted}, returned {_type(answer)}")
    made: list[Entry] = []
    for name, value in given:
        if len(made) >= MOST:
            raise ExtensionError(f"returned more than {MOST} entries")
        _check(kind, name, value)
        made.append((name, value))
    return made


def check_own(hook: str, made: Iterable[Entry], id: str, folder: Path) -> None:
    """What is asked of an extension beyond the types. Raises ExtensionError."""
    for name, value in made:
        for kind, check in _OWN:
            if isinstance(value, kind):
                check(value, id)
        if isinstance(value, PageFile):
            _check_file(hook, value, folder)
        elif hook == "tabs" and not _is_own(name, id):
            raise ExtensionError(f"the tab's id must begin with {id!r}, got {name[:80]!r}")
        needs = getattr(value, "needs", id)
        if not isinstance(needs, str) or not _is_own(needs, id):
            raise ExtensionError(f"needs must be a control group of its own, got {needs!r}")


def _check_key(field: MetadataField, id: str) -> None:
    if not KEY.fullmatch(field.key):
        raise ExtensionError(f"{field.key[:80]!r} is no key such as 'Face model'")
    own_keys.check(field.key, id)


def _check_axis(axis: Axis, id: str) -> None:
    if axis.label.casefold() in {each.casefold() for each in AXES.values()}:
        raise ExtensionError(
            f"{axis.label[:80]!r} is the axis of a field already; choose another label"
        )


def _is_own(name: str, id: str) -> bool:
    return name == id or name.startswith(f"{id}_")


def _check_group(group: ControlGroup, id: str) -> None:
    if not _is_own(group.name, id) or not _FIELD.fullmatch(group.name):
        raise ExtensionError(f"a group's name must be {id!r} or begin so, got {group.name[:80]!r}")
    if not group.fields:
        raise ExtensionError(f"{group.name}: has no fields; 1 to {MOST} fit")
    _check_fields(group.name, [*group.fields, *group.written])
    for each in (*group.fields, *group.written):
        if each.metadata is not None:
            own_keys.check(each.metadata, id)
    texts = {each.name for each in group.fields if isinstance(each, TextField)}
    for name, menu in group.menus.items():
        if name not in texts or not callable(menu):
            raise ExtensionError(f"{group.name}: menus: {str(name)[:80]!r} is no text field")
    if not set(group.tabs) <= set(GENERATING):
        raise ExtensionError(f"{group.name}: tabs must be of {', '.join(GENERATING)}")


def _check_fields(where: str, fields: Sequence[Any]) -> None:
    if not 0 < len(fields) <= MOST:
        raise ExtensionError(f"{where}: has {len(fields)} fields; 1 to {MOST} fit")
    for each in fields:
        _check_field(where, each)
    if len({each.name for each in fields}) != len(fields):
        raise ExtensionError(f"{where}: two fields have the same name")


def _check_block(block: PromptBlock, id: str) -> None:
    if not _FIELD.fullmatch(block.kind):
        raise ExtensionError(f"{block.kind[:80]!r} is no kind such as 'variety'")
    if not callable(block.read) or not block.writes:
        raise ExtensionError(f"<{block.kind}:...> must have read, and name what it writes")


def _check_target(target: SendTarget, id: str) -> None:
    if not _is_own(target.name, id) or not _FIELD.fullmatch(target.name):
        raise ExtensionError(
            f"a target's name must be {id!r} or begin so, got {target.name[:80]!r}"
        )
    if not target.label or len(target.label) > 40:
        raise ExtensionError(f"{target.name}: the label must have 1 to 40 characters")
    if target.address and not _ADDRESS.fullmatch(target.address):
        raise ExtensionError(f"{target.name}: {target.address[:80]!r} is no address like 'receive'")


def _check_field(where: str, field: Any) -> None:
    if not isinstance(field, _FIELDS):
        raise ExtensionError(f"{where}: {_type(field)} is no field")
    _check_attributes(field)
    if not _FIELD.fullmatch(field.name):
        raise ExtensionError(f"{where}: {field.name[:80]!r} is no name such as 'strength'")
    if field.metadata is not None and not KEY.fullmatch(field.metadata):
        raise ExtensionError(f"{where}: {field.metadata[:80]!r} is no key of metadata")
    if not isinstance(field, ChoiceField):
        try:
            field.check(field.default)
        except InvalidRequest as error:
            raise ExtensionError(f"{where}: the default of {error}") from None
    elif field.default not in field.choices:
        raise ExtensionError(f"{where}: the default of {field.name} is none of its choices")


def _check_file(hook: str, page: PageFile, folder: Path) -> None:
    suffix = {"scripts": ".js", "styles": ".css"}[hook]
    match = _FILE.fullmatch(page.file)
    path = folder / page.file if match and match[1] == suffix else None
    if path is None or not path.is_file() or path.is_symlink():
        raise ExtensionError(f"must name a {suffix} file of the folder, got {page.file[:80]!r}")
    if path.stat().st_size > MOST_PAGE:
        raise ExtensionError(f"{page.file} has more than {MOST_PAGE // 2**20} MiB")


def _check(
    kind: type | tuple[type, ...] | Callable[[object], bool], name: object, value: object
) -> None:
    if isinstance(kind, type | tuple):
        if not isinstance(value, kind):
            wanted = (
                kind.__name__
                if isinstance(kind, type)
                else " or ".join(each.__name__ for each in kind)
            )
            raise ExtensionError(f"an entry must be a {wanted}, got {_type(value)}")
        for attribute in _callables(value):
            if not callable(getattr(value, attribute)):
                raise ExtensionError(f"{attribute} must be a function")
        _check_attributes(value)
    elif not kind(value):
        raise ExtensionError(f"{str(name)[:80]}: {_type(value)} is not what this hook takes")
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise ExtensionError(f"an entry's name must be text, got {str(name)[:80]!r}")


_TEXTS = ("name", "label", "title", "help", "key", "kind", "example", "file", "address", "needs")


def _check_attributes(value: object) -> None:
    """Of the types that they are declared with: later they are compared, sorted and shown."""
    for name in _TEXTS:
        if not isinstance(getattr(value, name, ""), str):
            raise ExtensionError(f"{name} must be text, got {_type(getattr(value, name))}")
    if type(getattr(value, "order", 0)) is not int:
        raise ExtensionError("order must be a whole number; lower ones come first")
    for name in ("minimum", "maximum", "step", "cost"):
        if type(getattr(value, name, 0)) not in (int, float):
            raise ExtensionError(f"{name} must be a number, got {_type(getattr(value, name))}")
    of_axis = ("choices",) if isinstance(value, Axis) else ()  # a field's are listed
    for name in ("placed", "sheet", "read", "expand", *of_axis):
        if not (getattr(value, name, None) is None or callable(getattr(value, name))):
            raise ExtensionError(f"{name} must be a function, or left out")
    if isinstance(value, Axis) and value.kind not in get_args(AxisKind):
        raise ExtensionError(f"kind must be one of {', '.join(get_args(AxisKind))}")
    kinds = getattr(value, "kinds", ())
    if not isinstance(kinds, tuple) or not all(isinstance(each, type) for each in kinds):
        raise ExtensionError("kinds must be a tuple of events' classes, such as (Finished,)")


def _callables(value: object) -> Iterator[str]:
    for attribute in ("apply", "hear", "of", "wrap", "sample", "resize", "put"):
        if hasattr(value, attribute):
            yield attribute


def _name_of(entry: object, attribute: str) -> Any:
    return getattr(entry, attribute, None) if attribute else _type(entry)


def _type(value: object) -> str:
    return type(value).__name__[:80]


def _is_tab(value: object) -> bool:
    title = getattr(value, "title", None)
    return isinstance(title, str) and len(title) <= 40 and callable(getattr(value, "build", None))


def _loads(value: object) -> bool:
    return callable(getattr(value, "load", None))


def _recognises(value: object) -> bool:
    return _loads(value) and callable(getattr(value, "recognises", None))


_OWN: Sequence[tuple[type, Callable[[Any, str], None]]] = (
    # the type of an entry, and what is asked of it besides: (entry, the extension's id)
    (ControlGroup, _check_group),
    (MetadataField, _check_key),
    (Axis, _check_axis),
    (PromptBlock, _check_block),
    (SettingsPage, lambda page, id: _check_fields("settings", page.fields)),
    (SendTarget, _check_target),
)
_Kind = Any
_SERVER: Mapping[str, tuple[_Kind, str | None]] = {
    # the type of an entry, and its attribute that is its name; "" for those without one
    "samplers": (SamplerInfo, "name"),
    "schedules": (ScheduleInfo, "name"),
    "previews": (PreviewInfo, "name"),
    "upscalers": (UpscalerInfo, "name"),
    "tabs": (_is_tab, "id"),
    "routes": (callable, ""),
    "controls": (ControlGroup, "name"),
    "request_filters": (RequestFilter, ""),
    "prompt_blocks": (PromptBlock, "kind"),
    "settings_pages": (SettingsPage, ""),
    "send_targets": (SendTarget, "name"),
    "event_listeners": (EventListener, ""),
    "metadata_fields": (MetadataField, "key"),
    "axes": (Axis, "label"),
    "scripts": (PageFile, "file"),
    "styles": (PageFile, "file"),
}
_ENGINE: Mapping[str, tuple[_Kind, str | None]] = {
    # None: a mapping of names to entries
    "samplers": (SamplerEntry, None),
    "schedules": (callable, None),
    "families": (_loads, None),
    "previews": (callable, None),
    "upscalers": ((PictureResize, LatentResize), None),
    "upscaler_families": (_recognises, None),
    "conditioning_transforms": (ConditioningTransform, ""),
    "denoiser_wrappers": (DenoiserWrapper, ""),
    "attention_processors": (AttentionProcessor, ""),
    "step_listeners": (StepListener, ""),
    "image_operations": (ImageOperation, ""),
}

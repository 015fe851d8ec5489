"""From tables of entries to the frozen registries that everything else sees.

Two owners of one name are an error that names both. Of extensions the later one is left out whole.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from webui.errors import ExtensionError
from webui.extensions.answers import Entry
from webui.extensions.loading import Part, asked
from webui.interfaces import EngineRegistry, ServerRegistry
from webui.interfaces.server_hooks import Owned

Tables = Mapping[str, Sequence[Entry]]
BUILTIN = "builtin"
# tables whose entries have no name, or whose names may be the same
_NAMELESS = frozenset(
    {
        "routes", "request_filters", "event_listeners", "scripts", "styles", "settings_pages",
        "conditioning_transforms", "denoiser_wrappers", "attention_processors", "step_listeners",
        "image_operations",
    }
)  # fmt: skip


class Shelves:
    """What has been registered so far, by whom."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}  # table, name in small letters -> owner
        self._rows: dict[str, list[tuple[str, str, Any]]] = {}  # table -> name, owner, entry

    def add(self, owner: str, tables: Tables) -> None:
        """All of them, or none. Raises ExtensionError, naming both owners of a name."""
        names = dict(self._names)
        for table, name in _named(tables):
            key = (table, name.casefold())
            if key in names:
                raise ExtensionError(
                    f"register_{table}: {names[key]} and {owner} both register {name!r}"
                )
            names[key] = owner
        self._names = names
        for table, entries in tables.items():
            self._rows.setdefault(table, []).extend((name, owner, each) for name, each in entries)

    def by_name(self, table: str) -> Mapping[str, Any]:
        return MappingProxyType({name: entry for name, _, entry in self._rows.get(table, [])})

    def listed(self, table: str) -> tuple[Any, ...]:
        return tuple(entry for _, _, entry in self._rows.get(table, []))

    def owned(self, table: str) -> tuple[Owned[Any], ...]:
        """The lower `order` first, then as they were registered."""
        rows = [Owned(owner, entry) for _, owner, entry in self._rows.get(table, [])]
        return tuple(sorted(rows, key=lambda row: getattr(row.value, "order", 0)))

    def owned_by_name(self, table: str) -> Mapping[str, Owned[Any]]:
        rows = self._rows.get(table, [])
        return MappingProxyType({name: Owned(owner, entry) for name, owner, entry in rows})

    def owners(self, *tables: str) -> Mapping[str, str]:
        rows = [row for table in tables for row in self._rows.get(table, [])]
        return MappingProxyType({name: owner for name, owner, _ in rows})


def _named(tables: Tables) -> list[tuple[str, str]]:
    """(table, name) that nobody else may have; the keys of a picture's text are one table."""
    named = [
        (table, name)
        for table, entries in tables.items() if table not in _NAMELESS
        for name, _ in entries
    ]  # fmt: skip
    for _, group in tables.get("controls", ()):
        keys = [each.metadata for each in (*group.fields, *group.written) if each.metadata]
        named += [("metadata_fields", key) for key in keys]
    return named


def server_registry(plugins: Mapping[str, object]) -> ServerRegistry:
    """Asks every server hook of `plugins` (name -> module). Raises ExtensionError on a clash."""
    return of_server(_asked(plugins, "server"))


def engine_registry(plugins: Mapping[str, object]) -> EngineRegistry:
    """Asks every engine hook of `plugins` (name -> module). Raises ExtensionError on a clash."""
    return of_engine(_asked(plugins, "engine"))


def _asked(plugins: Mapping[str, object], part: Part) -> Shelves:
    shelves = Shelves()
    for name, plugin in plugins.items():
        shelves.add(name, asked(plugin, name, part))
    return shelves


def of_server(shelves: Shelves) -> ServerRegistry:
    routes = shelves.owned("routes")
    return ServerRegistry(
        samplers=shelves.by_name("samplers"),
        schedules=shelves.by_name("schedules"),
        previews=shelves.by_name("previews"),
        upscalers=shelves.by_name("upscalers"),
        tabs=shelves.listed("tabs"),
        routes=tuple(each.value for each in routes if each.owner == BUILTIN),
        controls=shelves.by_name("controls"),
        request_filters=shelves.owned("request_filters"),
        prompt_blocks=shelves.owned_by_name("prompt_blocks"),
        settings_pages=shelves.owned("settings_pages"),
        send_targets=shelves.owned("send_targets"),
        event_listeners=shelves.owned("event_listeners"),
        metadata_fields=shelves.owned_by_name("metadata_fields"),
        axes=shelves.owned_by_name("axes"),
        scripts=shelves.owned("scripts"),
        styles=shelves.owned("styles"),
        owners=shelves.owners("tabs", "controls"),
        own_routes=tuple(each for each in routes if each.owner != BUILTIN),
    )


def of_engine(shelves: Shelves) -> EngineRegistry:
    return EngineRegistry(
        samplers=shelves.owned_by_name("samplers"),
        schedules=shelves.owned_by_name("schedules"),
        families=shelves.owned_by_name("families"),
        previews=shelves.owned_by_name("previews"),
        upscalers=shelves.owned_by_name("upscalers"),
        upscaler_families=shelves.owned_by_name("upscaler_families"),
        conditioning_transforms=shelves.owned("conditioning_transforms"),
        denoiser_wrappers=shelves.owned("denoiser_wrappers"),
        attention_processors=shelves.owned("attention_processors"),
        step_listeners=shelves.owned("step_listeners"),
        image_operations=shelves.owned("image_operations"),
    )

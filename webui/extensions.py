"""From plug-ins to frozen tables: the only user of pluggy's manager.

After start nobody asks a hook again; everything else sees a `ServerRegistry` or an
`EngineRegistry`, passed as an argument.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pluggy

from webui.errors import ExtensionError
from webui.hookspecs import PROJECT, EngineHooks, ServerHooks
from webui.interfaces import EngineRegistry, ServerRegistry


def server_registry(plugins: Mapping[str, object]) -> ServerRegistry:
    """Asks every server hook of `plugins` (name -> module). Raises ExtensionError on a clash."""
    manager = _manager(ServerHooks, plugins)
    return ServerRegistry(
        samplers=_table(manager, "register_samplers", _by_name),
        schedules=_table(manager, "register_schedules", _by_name),
        previews=_table(manager, "register_previews", _by_name),
        upscalers=_table(manager, "register_upscalers", _by_name),
        tabs=tuple(_table(manager, "register_tabs", _by_id).values()),
        routes=tuple(route for _, table in _answers(manager, "register_routes") for route in table),
    )


def engine_registry(plugins: Mapping[str, object]) -> EngineRegistry:
    """Asks every engine hook of `plugins` (name -> module). Raises ExtensionError on a clash."""
    manager = _manager(EngineHooks, plugins)
    return EngineRegistry(
        samplers=_table(manager, "register_samplers", _as_is),
        schedules=_table(manager, "register_schedules", _as_is),
        families=_table(manager, "register_families", _as_is),
        previews=_table(manager, "register_previews", _as_is),
        upscalers=_table(manager, "register_upscalers", _as_is),
        upscaler_families=_table(manager, "register_upscaler_families", _as_is),
    )


def _manager(hooks: type, plugins: Mapping[str, object]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    for name, plugin in plugins.items():
        manager.register(plugin, name=name)
        try:
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise ExtensionError(f"{name}: {error}") from error
    return manager


def _answers(manager: pluggy.PluginManager, hook: str) -> Sequence[tuple[str, Any]]:
    """(plug-in's name, what it registers), in the order of registration."""
    implementations = getattr(manager.hook, hook).get_hookimpls()
    return [(each.plugin_name, each.function()) for each in implementations]


def _table(
    manager: pluggy.PluginManager, hook: str, named: Callable[[Any], Iterable[tuple[str, Any]]]
) -> Mapping[str, Any]:
    table: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for owner, answer in _answers(manager, hook):
        for name, value in named(answer):
            if name in table:
                raise ExtensionError(f"{hook}: {owners[name]} and {owner} both register {name!r}")
            table[name], owners[name] = value, owner
    return MappingProxyType(table)


def _by_name(answer: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    return ((each.name, each) for each in answer)


def _by_id(answer: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    return ((each.id, each) for each in answer)


def _as_is(answer: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return answer.items()

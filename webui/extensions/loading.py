"""An extension's module, imported, and its hooks, asked: nothing else asks them again.

The only user of pluggy's manager.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from webui.errors import ExtensionError
from webui.extensions import answers, packages, together
from webui.extensions.answers import Entry
from webui.extensions.manifest import Manifest
from webui.hookspecs import PROJECT, EngineHooks, ServerHooks

PACKAGE = "darkroom_extensions"  # in which each extension is a package
Part = Literal["server", "engine"]
SPECS: dict[Part, type] = {"server": ServerHooks, "engine": EngineHooks}
Told = Callable[[str], None]  # is told what is done next


def module_of(folder: Path, manifest: Manifest, part: Part) -> ModuleType:
    """The module for that process; raises whatever it raises."""
    name = getattr(manifest, part)
    packages.reach(folder)
    package = f"{PACKAGE}.{manifest.id}"
    for each, path in ((PACKAGE, []), (package, [str(folder)])):
        if each not in sys.modules:
            made = ModuleType(each)
            made.__path__ = path
            sys.modules[each] = made
    return importlib.import_module(f"{package}.{name}")


def asked(
    plugin: object, name: str, part: Part, told: Told = lambda hook: None
) -> dict[str, list[Entry]]:
    """The entries of every hook of the plug-in. Raises ExtensionError, and whatever a hook does."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(SPECS[part])
    manager.register(plugin, name=name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ExtensionError(f"{name}: {error}") from error
    tables: dict[str, list[Entry]] = {}
    for hook in (each for each in vars(SPECS[part]) if each.startswith("register_")):
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            told(hook)
            answer: Any = implementation.function()
            short = hook.removeprefix("register_")
            try:
                tables[short] = answers.entries(short, answer, part == "engine")
            except ExtensionError as error:
                raise ExtensionError(f"{hook}: {error}") from None
    return tables


def tables_of(
    folder: Path, manifest: Manifest, part: Part, told: Told = lambda hook: None
) -> dict[str, list[Entry]]:
    """Loads and asks an extension. Raises ExtensionError, and whatever its code does."""
    told("import")
    module = module_of(folder, manifest, part)
    tables = asked(module, manifest.id, part, told)
    for hook, made in tables.items():
        told(f"register_{hook}")
        if hook not in manifest.touches:
            raise ExtensionError(
                f"register_{hook}: extension.toml does not say so; add {hook!r} to touches"
            )
        try:
            answers.check_own(hook, made, manifest.id, folder)
        except ExtensionError as error:
            raise ExtensionError(f"register_{hook}: {error}") from None
    if part == "server":
        together.check(tables)
    return tables

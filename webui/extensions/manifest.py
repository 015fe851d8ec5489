"""`extension.toml`: what an extension says of itself, read strictly before any of its code runs.

id = "wildcards"                    its folder's name
name = "Wildcards"
version = "1.0.0"
description = "One sentence."
api = ">=1.0,<2"                    of the interface that it was written for
touches = ["controls", "files"]     every hook that it has, and files or network
server = "server"                   its module in the server's process; and
engine = "engine"                   in the engine's. One of the two at least
dependencies = ["dynamicprompts>=0.31"]
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from webui import extension_ids
from webui.errors import ExtensionError
from webui.extensions.packages import version_of
from webui.extensions.versions import lies_in, version
from webui.files import invisible
from webui.hookspecs import EngineHooks, ServerHooks

API_VERSION = "1.0"  # of what extensions may import and register
FILE = "extension.toml"
_MOST = 64 * 1024  # bytes
_MODULE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_DEPENDENCY = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?) *([<>=].*)?", re.ASCII)
_BESIDE_HOOKS = ("files", "network")


def hooks_of(specs: type) -> tuple[str, ...]:
    """The hooks' names without "register_", in their order."""
    return tuple(name.removeprefix("register_") for name in vars(specs) if name[0] != "_")


TOUCHES = tuple(dict.fromkeys((*hooks_of(ServerHooks), *hooks_of(EngineHooks), *_BESIDE_HOOKS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    id: str
    name: str
    version: str
    description: str
    api: str
    touches: tuple[str, ...] = ()
    server: str | None = None
    engine: str | None = None
    dependencies: tuple[str, ...] = ()


def read(folder: Path) -> Manifest:
    """Raises ExtensionError, naming the file, the key, and what would work."""
    path = folder / FILE
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise ExtensionError(f"{path} is no file")
        if path.stat().st_size > _MOST:
            raise ExtensionError(f"{path} has more than {_MOST // 1024} KiB")
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExtensionError(f"{folder} has no {FILE}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ExtensionError(f"{path} cannot be read: {error}") from None
    try:
        return _checked(given, folder)
    except RecursionError:
        raise ExtensionError(f"{path}: values lie too deep in each other") from None
    except ValueError as error:
        raise ExtensionError(f"{path}: {error}") from None


def missing(manifest: Manifest, folder: Path) -> list[str]:
    """Of its dependencies those that are not installed as it needs them, here or in the packages
    of its own in `folder`, each with why."""
    problems = []
    for each in manifest.dependencies:
        name, bounds = split(each)
        found = version_of(name, folder)
        if found is None:
            problems.append(f"{each} is not installed")
            continue
        if bounds and not lies_in(found, bounds):
            problems.append(f"{each} is needed, and {found} is installed")
    return problems


def split(dependency: str) -> tuple[str, str]:
    """The name and the bounds of one that was checked: ("numpy", ">=2,<3"), ("numpy", "")."""
    match = _DEPENDENCY.fullmatch(dependency)
    assert match is not None, "it was checked"
    return match[1], match[2] or ""


def _checked(given: Mapping[str, Any], folder: Path) -> Manifest:
    known = [each.name for each in fields(Manifest)]
    for key in given:
        if key not in known:
            raise ValueError(f"{key[:80]!r} is no key; known are {', '.join(known)}")
    for key in ("id", "name", "version", "description", "api"):
        if key not in given:
            raise ValueError(f"{key} is missing")
    texts: dict[str, Any] = {
        key: _text(given, key) for key in given if key not in ("touches", "dependencies")
    }
    lists: dict[str, Any] = {
        key: _texts(given, key) for key in ("touches", "dependencies") if key in given
    }
    manifest = Manifest(**texts, **lists)
    _check_names(manifest, folder)
    if manifest.server is None and manifest.engine is None:
        raise ValueError('needs a module: server = "server" or engine = "engine"')
    _check_lists(manifest)
    if not lies_in(API_VERSION, manifest.api):
        raise ValueError(f"api: it was written for {manifest.api}; this is {API_VERSION}")
    return manifest


def _check_lists(manifest: Manifest) -> None:
    for each in manifest.touches:
        if each not in TOUCHES:
            raise ValueError(f"touches: {each[:80]!r} is not known; known are {', '.join(TOUCHES)}")
    for each in manifest.dependencies:
        match = _DEPENDENCY.fullmatch(each)
        if match is None:
            raise ValueError(f"dependencies: {each[:80]!r} is none such as numpy>=2,<3")
        if match[2]:
            lies_in("0", match[2])


def _check_names(manifest: Manifest, folder: Path) -> None:
    if wrong := extension_ids.problem(manifest.id):
        raise ValueError(f"id: {wrong}")
    if folder.name != manifest.id:
        raise ValueError(f"id: must be its folder's name, {folder.name!r}; got {manifest.id!r}")
    try:
        version(manifest.version)
    except ValueError as error:
        raise ValueError(f"version: {error}") from None
    for key in ("server", "engine"):
        module = getattr(manifest, key)
        if module is None:
            continue
        if not _MODULE.fullmatch(module):
            raise ValueError(f"{key}: must be a module's name such as {key!r}, got {module[:80]!r}")
        if not (folder / f"{module}.py").is_file():
            raise ValueError(f"{key}: there is no {module}.py in {folder}")


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str) or not value.strip() or len(value) > 1000:
        raise ValueError(f"{key}: must be text of 1 to 1000 characters, got {str(value)[:80]!r}")
    _check_visible(key, value)
    return value


def _check_visible(key: str, text: str) -> None:
    """It is shown before anybody agrees to anything, and must not look like other text."""
    if letter := invisible(text):
        raise ValueError(f"{key}: must be one line of visible characters; {letter} is none")


def _texts(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = given[key]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{key}: must be a list of texts, got {str(value)[:80]!r}")
    if len(value) > 100:
        raise ValueError(f"{key}: has {len(value)} entries; at most 100 fit")
    for each in value:
        _check_visible(key, each)
    return tuple(value)

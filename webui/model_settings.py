"""The settings that a model is best used with: its size, and what the text beside its file says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from webui import names
from webui.errors import InvalidRequest
from webui.fields import FIELDS
from webui.interfaces import ServerRegistry
from webui.library import ModelEntry
from webui.sidecars import Sidecars

TOGETHER = frozenset({"sampler", "schedule"})  # one alone would not be what was recommended


def recommended(
    sidecars: Sidecars, registry: ServerRegistry, entries: Sequence[ModelEntry]
) -> dict[Path, dict[str, Any]]:
    """Of each model, by its path: by the names of a request's fields, with both of TOGETHER or
    none of them."""
    texts = said(sidecars, registry, entries)
    return {
        entry.path: {
            "width": entry.native_width,
            "height": entry.native_height,
            **{
                name: FIELDS[name].default
                for name in TOGETHER
                if TOGETHER & texts[entry.path].keys()
            },
            **texts[entry.path],
        }
        for entry in entries
    }


def said(
    sidecars: Sidecars, registry: ServerRegistry, entries: Sequence[ModelEntry]
) -> dict[Path, dict[str, Any]]:
    """Of each model, by its path, what the text beside it says."""
    beside = sidecars.of(entry.path for entry in entries)  # lists a folder once for all in it
    return {path: _known(registry, each.words.settings) for path, each in beside.items()}


def _known(registry: ServerRegistry, settings: Mapping[str, Any]) -> dict[str, Any]:
    """An unknown sampler or schedule is passed over."""
    try:
        return {**settings, **names.sampler_and_schedule(registry, settings)}
    except InvalidRequest:
        return {name: settings[name] for name in settings if name not in TOGETHER}


def filled(values: Mapping[str, Any], recommended: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, and what is recommended where they say nothing."""
    passed = TOGETHER if TOGETHER & values.keys() else ()
    left = {name: value for name, value in recommended.items() if name not in passed}
    return {**left, **values}

"""The settings that a model is best used with: its size, and what the text beside its file says."""

from collections.abc import Mapping, Sequence
from typing import Any

from webui import names
from webui.errors import InvalidRequest
from webui.interfaces import ServerRegistry
from webui.library import ModelEntry
from webui.sidecars import Sidecars

TOGETHER = frozenset({"sampler", "schedule"})  # one alone would not be what was recommended


def recommended(
    sidecars: Sidecars, registry: ServerRegistry, entries: Sequence[ModelEntry]
) -> list[Mapping[str, Any]]:
    """Of each model, by the names of a request's fields."""
    texts = said(sidecars, registry, entries)
    return [
        {"width": entry.native_width, "height": entry.native_height, **text}
        for entry, text in zip(entries, texts, strict=True)
    ]


def said(
    sidecars: Sidecars, registry: ServerRegistry, entries: Sequence[ModelEntry]
) -> list[Mapping[str, Any]]:
    """Of each model what the text beside it says."""
    beside = sidecars.of(entry.path for entry in entries)  # lists a folder once for all in it
    return [_known(registry, beside[entry.path].words.settings) for entry in entries]


def _known(registry: ServerRegistry, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """An unknown sampler or schedule is passed over."""
    try:
        return {**settings, **names.sampler_and_schedule(registry, settings)}
    except InvalidRequest:
        return {name: settings[name] for name in settings if name not in TOGETHER}


def filled(values: Mapping[str, Any], recommended: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, and what is recommended where they say nothing."""
    left = {**recommended, **values}
    if TOGETHER & values.keys():
        left = {name: left[name] for name in left if name not in TOGETHER or name in values}
    return left

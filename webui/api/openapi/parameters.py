"""What stands in addresses and queries, by name: what it means and what it may be.

The routes read them; what they refuse they say in words of their own.
"""

from collections.abc import Mapping
from typing import Any, get_args

from webui.animations import FORMATS
from webui.api.openapi.request import PICTURE
from webui.events import ViewKind
from webui.exports import VIEWS
from webui.jobs.states import STATES

JOB_ID = "^[A-Za-z0-9_-]{8,64}$"
_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "after": ("The number of the last event that one has.", {}),
    "batch": ("0-based.", {}),
    "before": ("The last job of the page before.",
               {"type": "string", "pattern": "^([A-Za-z0-9_-]{8,64})?$"}),
    "cursor": ("What the page before gave.", {}),
    "download": ("To be saved, not shown.", {}),
    "ended": ("So many that have ended, newest first; with any also the interrupted.", {}),
    "format": ("What kind of file.", {"enum": list(FORMATS)}),
    "id": ("A job's.", {"pattern": JOB_ID, "examples": ["a3f1c2d4e5f60718"]}),
    "image": ("The picture, 0-based; where -1 may be, that is the grid.", {}),
    "job": ("The job that is shown.", {}),
    "kind": ("What of the step: noisy, predicted, or as guidance saw it.",
             {"enum": list(get_args(ViewKind))}),
    "last-event-id": ("The id of the last event that one has; wins over `after`.",
                      {"type": "string", "pattern": r"^[0-9a-zA-Z-]*\.?[0-9]{1,15}$"}),
    "limit": ("So many at most.", {}),
    "method": ("A preview method, of GET /previews.", {"examples": ["fast", "vae"]}),
    "model": ("A model's name; the one that ships where it is missing.", {}),
    "name": ("As its shelf lists it.", {}),
    "owner": ("Who asks: the newest of its jobs is shown.", {}),
    "path": ("Of a saved picture, as its job gives it.",
             {"pattern": r"^[^\x00-\x1f\x7f-\x9f]+$", "examples": ["2026-11-21/00001-42.png"]}),
    "pictures": ("So many of the job's the caller has.", {}),
    "position": ("Of one picture in its batch, 0-based: it alone, in its own size.", {}),
    "prefix": ("How it begins, whatever the capitals.", {}),
    "queue": ("With so many of the waiting.", {}),
    "rate": ("Steps a second.", {"minimum": 0.5, "maximum": 60}),
    "search": ("Words, all of which are in it.", {"maxLength": 200}),
    "sha256": ("Of a picture.", PICTURE),
    "size": ("Pixels, of the longer side of a view.", {"minimum": 64, "maximum": 1024}),
    "skip_current_image": ("Without the preview.", {}),
    "state": ("Jobs in this state; may be given several times.",
              {"type": "array", "items": {"enum": list(STATES)}, "maxItems": len(STATES)}),
    "step": ("1-based.", {}),
    "turn": ("Which sampling of the batch, 0-based, where it is sampled several times.", {}),
    "view": ("What is shown of a step.", {"enum": list(VIEWS)}),
}  # fmt: skip
_SHELVES = ("checkpoints", "vaes", "loras", "embeddings", "upscalers")
_DOWNLOAD: Mapping[str, Any] = {"pattern": "^[0-9a-f]{16}$", "examples": ["a3f1c2d4e5f60718"]}
_EXTENSION: Mapping[str, Any] = {
    "pattern": "^[a-z][a-z0-9_]{1,39}$", "examples": ["prompt_matrix"]
}  # fmt: skip
_TASK = "A job's id, or what a call named `force_task_id`."


def explain(path: str, parameter: dict[str, Any]) -> None:
    """Says what it is, unless its route did, or nobody."""
    schema = parameter["schema"]
    schema.pop("title", None)
    if parameter["name"].lower() not in _PARAMETERS:
        return
    text, more = _PARAMETERS[parameter["name"].lower()]
    if parameter["name"] == "id" and parameter["in"] == "query":
        text, more = _TASK, {}
    elif parameter["name"] == "kind" and "/shelf/" in path:
        text, more = "Which shelf.", {"enum": list(_SHELVES)}
    elif parameter["name"] == "id" and "/downloads/" in path:
        text, more = "A download's.", _DOWNLOAD
    elif parameter["name"] == "id" and "/extensions/installs/" in path:
        text, more = "An installation's.", _DOWNLOAD
    elif parameter["name"] == "id" and "/extensions/" in path:
        text, more = "An extension's.", _EXTENSION
    parameter["description"] = text
    if "type" in more:  # said anew, without null, which a query cannot hold
        parameter["schema"] = dict(more)
    else:
        schema |= more

"""Downloads as JSON, both ways. No address of a file is among it, and no token."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from webui.api import schema
from webui.downloads import KINDS, Download, Downloads, Look, Wish, folder_of, free_bytes
from webui.downloads.choices import Choice
from webui.downloads.looks import Item
from webui.files import printable

WISHES = tuple(each.name for each in fields(Wish))


def wish(body: Mapping[str, Any]) -> Wish:
    """Raises InvalidRequest."""
    schema.check_known(body, WISHES)
    return Wish(**{name: schema.text(body, name, "") or "" for name in WISHES})


def overview(downloads: Downloads) -> dict[str, Any]:
    return {
        "allowed": not downloads.forbidden,
        "reason": downloads.forbidden or None,
        "hub": downloads.access.hub,
        "token": bool(downloads.access.token),
        "kinds": [
            {"kind": kind, "label": what.label, **_place(folder_of(downloads.models_dir, kind))}
            for kind, what in KINDS.items()
        ],
        "downloads": [download(each) for each in downloads.all()],
    }


def download(made: Download) -> dict[str, Any]:
    left = made.size_bytes - made.done_bytes
    return {
        "id": made.id,
        "state": made.state,
        "error": made.error or None,
        "source": made.source,
        "revision": made.revision or None,
        "page": made.page or None,
        "licence": asdict(made.licence),
        "kind": made.kind,
        "folder": made.folder.name,
        "name": made.target,
        "files": [_file(each) for each in made.items],
        "size_bytes": made.size_bytes,
        "done_bytes": made.done_bytes,
        "bytes_per_second": round(made.bytes_per_second),
        "seconds_left": round(left / made.bytes_per_second) if made.bytes_per_second > 1 else None,
        "created": made.created,
        "finished": made.finished,
    }


def look(found: Look) -> dict[str, Any]:
    """`wish` is what to send to have just this."""
    wanted = Wish(
        source=found.source, revision=found.revision, commit=found.commit, choice=found.choice,
        kind=found.kind, name=found.name,
    )  # fmt: skip
    return {
        "source": found.source,
        "hub": bool(found.id),
        "revision": found.revision or None,
        "commit": found.commit or None,
        "page": found.page or None,
        "licence": asdict(found.licence),
        "gated": found.gated,
        "choices": [_choice(each) for each in found.choices],
        "refused": [
            {"name": printable(each.name), "reason": each.reason} for each in found.refused
        ],
        "choice": found.choice or None,
        "kind": found.kind or None,
        "guess": found.guess or None,
        "folder": found.folder.name if found.folder else None,
        "free_bytes": found.free_bytes,
        "name": found.name or None,
        "target": found.target or None,
        "files": [{**_file(each), "sha256": each.sha256 or None} for each in found.items],
        "size_bytes": found.size_bytes,
        "warnings": list(found.warnings),
        "problems": [{"field": field, "text": text} for field, text in found.problems],
        "wish": asdict(wanted) if found.id else None,
    }


def _choice(made: Choice) -> dict[str, Any]:
    return {
        "choice": made.id,
        "label": made.label,
        "folder": made.folder,
        "size_bytes": made.size_bytes,
        "problem": made.problem,
    }


def _file(item: Item) -> dict[str, Any]:
    return {"name": item.name, "target": item.target, "size_bytes": item.size}


def _place(folder: Path) -> dict[str, Any]:
    return {"folder": folder.name, "free_bytes": free_bytes(folder)}

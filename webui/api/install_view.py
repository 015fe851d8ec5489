"""Installations as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from webui.installing import Index, Install, Installs, Look, Record
from webui.services import Services


def overview(installs: Installs) -> dict[str, Any]:
    return {
        "allowed": not installs.forbidden,
        "reason": installs.forbidden or None,
        "sources": list(installs.allowed),
        "git": bool(installs.tools.git.program),
        "installs": [install(each) for each in installs.all()],
    }


def install(made: Install) -> dict[str, Any]:
    return {
        "id": made.id,
        "source": made.source.address,
        "revision": made.source.revision,
        "extension": made.update,
        "state": made.state,
        "stage": made.stage,
        "bytes": made.bytes,
        "look": _look(made.look) if made.look else None,
        "error": {"text": made.error, "field": made.field} if made.error else None,
    }


def index(index: Index, search: str) -> dict[str, Any]:
    return {"address": index.address, **asdict(index.search(search))}


def with_origins(services: Services, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Extensions as the catalogue lists them, with where they came from, and those that have come
    since the start."""
    installs = services.installs
    now, then, before = installs.records(), installs.at_start, installs.before()
    new = services.extensions.newcomers()
    return [
        {
            **row,
            "pending": row["pending"] or bool(change),
            "change": change,
            "installed": _record(now.get(row["id"])),
            "before": _record(before.get(row["id"])),
        }
        for row in (*rows, *new)
        for change in (_change(row["id"], now, then),)
    ]


def _change(id: str, now: Mapping[str, Record], then: Mapping[str, Record]) -> str:
    if id not in now:
        return "removed" if id in then else ""
    if id not in then:
        return "installed"
    return "" if now[id] == then[id] else "updated"


def _look(look: Look) -> dict[str, Any]:
    manifest = look.manifest
    return {
        "id": manifest.id,
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "api": manifest.api,
        "touches": list(manifest.touches),
        "processes": [part for part in ("server", "engine") if getattr(manifest, part)],
        "dependencies": list(manifest.dependencies),
        "packages": [each.pinned for each in look.packages],
        "commit": asdict(look.commit) if look.commit else None,
        "files": look.files,
        "size_bytes": look.size,
        "left_out": look.left_out,
        "imports": list(look.complaints),
        "problem": look.problem,
        "replaces": _record(look.replaced),
        "changes": None if look.changes is None else [asdict(each) for each in look.changes],
    }


def _record(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "source": record.source,
        "revision": record.revision,
        "commit": record.commit,
        "version": record.version,
        "time": record.time,
        "packages": list(record.packages),
    }

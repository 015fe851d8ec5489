"""What the program would say of an extension at its start."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from webui.extensions import Found, Standing, Trials, find, load
from webui.extensions.discovery import SHIPPED, named
from webui.extensions.imports import complaints
from webui.extensions.loading import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Empty `problem`: it would be loaded."""

    problem: str = ""
    part: Literal["", "server", "engine"] = ""  # in which half
    hook: str = ""
    trace: str = ""
    seconds: float = 0.0  # that both halves took to load
    hooks: tuple[str, ...] = ()  # that it has
    imports: tuple[str, ...] = ()  # of `webui` that are not public: not refused, but may break


def check(folder: Path | str) -> Verdict:
    """Looks at a folder as the start does: its manifest, what it needs, then each half in a
    short-lived process with limits, and beside what ships, extensions too: a name that one of them
    has is taken. Takes seconds; the first half is tried with Gradio only where it has tabs or
    routes, the second with torch."""
    (found,) = named([f"installed:{Path(folder).resolve()}"])
    imports = tuple(complaints(found.folder))
    if found.manifest is None or found.problem or _is_taken(found):
        text = found.problem or f"the id {found.id!r} is taken by an extension that ships"
        return Verdict(problem=text, hook="extension.toml", imports=imports)
    seconds, hooks = 0.0, list[str]()
    parts: tuple[Part, ...] = ("server", "engine")
    for part in parts:
        if getattr(found.manifest, part) is None:
            continue
        standing = _tried(part, found)
        if mishap := standing.mishap:
            return Verdict(
                problem=mishap.text, part=part, hook=mishap.hook, trace=mishap.trace,
                imports=imports,
            )  # fmt: skip
        seconds, hooks = seconds + standing.seconds, [*hooks, *standing.hooks]
    return Verdict(seconds=seconds, hooks=tuple(dict.fromkeys(hooks)), imports=imports)


def _tried(part: Part, found: Found) -> Standing:
    beside = [each for each in find(SHIPPED / "nowhere") if each.id != found.id]
    _, standings = load(part, _builtin(part), [*beside, found], Trials(part))
    return standings[-1]


def _builtin(part: Part) -> ModuleType:
    """What ships in that process; late, for it takes seconds."""
    if part == "engine":
        from webui.engine import builtin as ours

        return ours
    from webui import builtin

    return builtin


def _is_taken(found: Found) -> bool:
    shipped = find(SHIPPED / "nowhere")
    return any(each.id == found.id and each.folder != found.folder for each in shipped)

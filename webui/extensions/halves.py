"""Which extension's engine half a group of controls needs, and why that cannot be here.

A waiting job may have controls of an extension that has gone meanwhile; the engine is told, so that
its pictures say what did not run.
"""

from collections.abc import Iterable, Sequence

from webui.extensions.manifest import Manifest
from webui.extensions.standing import Standing

# tables of the engine whose entries look at a group of controls
_LOOKING = frozenset(
    {
        "conditioning_transforms", "denoiser_wrappers", "attention_processors", "step_listeners",
        "image_operations",
    }
)  # fmt: skip


def of_groups(standings: Sequence[Standing], groups: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Group -> extension, and why its engine half cannot be here; "" where it can.

    What works in the server alone has had its say before the job was queued, and is not named.
    """
    known = {each.found.id: each for each in standings}
    named = {group: _owner(group, known) for group in groups}
    return {
        group: (owner, _why(known.get(owner)))
        for group, owner in named.items()
        if owner not in known or _looks(known[owner].found.manifest)
    }


def _owner(group: str, known: Iterable[str]) -> str:
    """The longest id that the name begins with; where there is none, the name's own beginning."""
    of = [id for id in known if group == id or group.startswith(f"{id}_")]
    return max(of, key=len, default=group)


def _looks(manifest: Manifest | None) -> bool:
    """Whether its engine half looks at controls; one that cannot be read may."""
    if manifest is None:
        return True
    return manifest.engine is not None and not _LOOKING.isdisjoint(manifest.touches)


def _why(standing: Standing | None) -> str:
    if standing is None:
        return "the extension is not installed any more"
    if standing.state == "off":
        return "the extension is turned off"
    if standing.state == "safe mode":
        return "safe mode runs without extensions"
    if standing.found.manifest is None or standing.found.problem:
        return standing.found.problem
    return ""

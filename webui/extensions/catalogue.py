"""The extensions as the server knows them: what the page and the API list, and turn on and off."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from webui.errors import InvalidRequest, NotSaved
from webui.extensions import imports
from webui.extensions.conduct import Conduct, merged
from webui.extensions.discovery import Choices, find
from webui.extensions.own_settings import OwnSettings
from webui.extensions.standing import Standing
from webui.extensions.trial import Trials


@dataclass(frozen=True, slots=True)
class Catalogue:
    standings: Sequence[Standing] = ()
    conduct: Conduct = field(default_factory=Conduct)
    data_dir: Path | None = None  # None: a server without extensions, of a test
    safe_mode: bool = False
    own_settings: OwnSettings = field(default_factory=OwnSettings)

    def listed(self, engine: Mapping[str, Any]) -> list[dict[str, Any]]:
        """JSON's own types; `engine` is what the engine says: {"standings", "conduct"}."""
        there = {each["id"]: each for each in engine.get("standings", ())}
        reports = (self.conduct.report(), engine.get("conduct", {}))
        off = self._off() if self.data_dir else frozenset()
        return [_listed(each, there.get(each.found.id), reports, off) for each in self.standings]

    def newcomers(self) -> list[dict[str, Any]]:
        """Those that have come since the start, as `listed` says them."""
        if self.data_dir is None:
            return []
        known = {each.found.id for each in self.standings}
        there = find(installed(self.data_dir))
        found = [each for each in there if each.origin == "installed" and each.id not in known]
        new = [Standing(each, "off") for each in found]
        off = self._off()
        return [_listed(each, None, (self.conduct.report(),), off) for each in new]

    def folder(self, id: str) -> Path:
        """The extension's own, in the data folder; it may not be there yet."""
        return (self.data_dir or Path()) / "extension-data" / id

    def turn(self, id: str, *, on: bool) -> None:
        """From the next start on; one that is turned on is tried anew. Raises InvalidRequest for
        one that is not there, NotSaved."""
        known = [each.found.id for each in self.standings]
        known += [each["id"] for each in self.newcomers()]
        if id not in known or self.data_dir is None:
            raise InvalidRequest("id", f"{id[:80]!r} is no extension; there are {', '.join(known)}")
        try:
            self.choices.turn(id, on=on)
            if on:
                for part in ("server", "engine"):
                    Trials(part, trials_file(self.data_dir, part)).forget(id)
        except OSError as error:
            raise NotSaved(f"{self.data_dir} cannot be written to: {error}") from error

    def _off(self) -> frozenset[str]:
        """Raises NotSaved where the file cannot be read."""
        choices = self.choices
        try:
            return choices.disabled()
        except OSError as error:
            raise NotSaved(f"{choices.path} cannot be read: {error.strerror}") from error

    @property
    def choices(self) -> Choices:
        assert self.data_dir is not None
        return Choices(self.data_dir)


def trials_file(data_dir: Path, part: str) -> Path:
    return data_dir / f"extension-trials-{part}.json"


def installed(data_dir: Path) -> Path:
    return data_dir / "extensions"


def standing_values(each: Standing) -> dict[str, Any]:
    """JSON's own types, for the pipe."""
    return {
        "id": each.found.id,
        "state": each.state,
        "mishap": asdict(each.mishap) if each.mishap else None,
        "seconds": each.seconds,
        "hooks": list(each.hooks),
    }


def _listed(
    standing: Standing,
    there: Mapping[str, Any] | None,
    reports: tuple[Mapping[str, Any], ...],
    off: frozenset[str],
) -> dict[str, Any]:
    found, manifest = standing.found, standing.found.manifest
    conduct = merged(reports, found.id)
    here = standing_values(standing)
    state, mishap = here["state"], here["mishap"]
    if state == "on" and there and there["state"] == "refused":
        state, mishap = "refused", there["mishap"]
    if state == "on" and conduct["off"]:
        state = "switched off"
    return {
        "id": found.id,
        "name": manifest.name if manifest else found.id,
        "version": manifest.version if manifest else "",
        "description": manifest.description if manifest else "",
        "touches": list(manifest.touches) if manifest else [],
        "origin": found.origin,
        "folder": str(found.folder),
        "state": state,
        "enabled": found.id not in off,  # at the next start
        "pending": (found.id in off) != (here["state"] == "off") and here["state"] != "safe mode",
        "problem": conduct["off"] or (mishap or {}).get("text", ""),
        "mishap": mishap or conduct["mishap"],
        "hooks": [*standing.hooks, *(there["hooks"] if there else ())],
        "start_seconds": standing.seconds + (there["seconds"] if there else 0.0),
        "seconds": conduct["seconds"],
        "uses": conduct["hooks"],
        "imports": imports.complaints(found.folder) if manifest else [],
    }

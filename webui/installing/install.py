"""One installation, as it stands."""

from dataclasses import dataclass
from typing import Literal

from webui.installing.looks import Look
from webui.installing.sources import Source

State = Literal["looking", "seen", "installing", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Install:
    id: str
    source: Source
    update: str  # the extension that it is to be a new version of, or ""
    created: float  # Unix seconds
    state: State = "looking"
    stage: str = "waiting"
    bytes: int = 0  # of that stage
    look: Look | None = None
    error: str = ""
    field: str = ""  # to blame

    @property
    def is_open(self) -> bool:
        return self.state in ("looking", "seen", "installing")

"""How an extension came out of the start of one process."""

from dataclasses import dataclass
from typing import Literal

from webui.extensions.conduct import Mishap
from webui.extensions.discovery import Found

State = Literal["on", "off", "refused", "safe mode"]


@dataclass(frozen=True, slots=True)
class Standing:
    found: Found
    state: State
    mishap: Mishap | None = None  # why it was refused
    seconds: float = 0.0  # that its part took to load here
    hooks: tuple[str, ...] = ()  # that it has here

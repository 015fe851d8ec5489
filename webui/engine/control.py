"""What may be asked of a run while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from webui.events import Outcome


@dataclass(slots=True)
class Control:
    """What may be asked of a run while it runs; looked at after every step."""

    stop: Literal["keep", "discard"] | None = None  # keep: decode what there is
    noisy: str | None = None  # preview method
    predicted: str | None = None  # preview method
    every: int = 1  # preview each so many steps; the last one always
    skip: int | None = None  # the batch (0-based) whose unfinished pictures to leave out
    attend: Callable[[], None] = lambda: None  # lets others ask in the middle of a nested run

    def outcome(self) -> Outcome | None:
        """What the run has to end with now, if it has to."""
        if self.stop is None:
            return None
        return "stopped" if self.stop == "keep" else "cancelled"

    def drops(self, batch: int) -> bool:
        """Whether what is not finished of a batch is wanted no more."""
        return self.stop == "discard" or (self.stop is None and self.skip == batch)

"""What a job is, as a value, and the small values around it.

Knows neither where jobs are kept nor who runs them.
"""

from dataclasses import dataclass

from webui.errors import Failure, InvalidRequest
from webui.events import Saved
from webui.jobs.states import State
from webui.request import GenerationRequest

MAX_EVERY = 150  # steps; no run has more


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request on its way to pictures, as the store has it at one moment."""

    id: str
    owner: str  # the tab that asked; "" for programs
    request: GenerationRequest
    state: State
    created: float  # unix seconds, as all times here
    started: float | None
    finished: float | None
    attempts: int  # runs begun; counted before each begins
    error: Failure | None
    pictures: tuple[Saved, ...]  # in the order of saving; "done" means that all are here
    crashes: int = 0  # deaths of engine or server while it ran
    skipped: tuple[int, ...] = ()  # images (0-based) left out as asked; "done" all the same
    retry_of: str | None = None  # the job that this one tries again
    dropped: bool = False  # taken off the list


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the running job is."""

    batch: int  # 0-based, the one in hand
    step: int  # of it, the last one finished
    steps: int  # of it, in all
    share: float  # of the whole job, from 0 to 1
    left: float | None  # seconds; None before anything was measured


@dataclass(frozen=True, slots=True)
class PreviewChoice:
    """What to draw while a job runs; changes no pixel of the result."""

    noisy: str | None = "fast"  # preview method for the noisy latent; None draws none
    predicted: str | None = "fast"  # preview method for the predicted picture
    every: int = 1  # draw each so many steps
    guidance: bool = False  # keep the predictions with and without the prompt, from the next run on

    def __post_init__(self) -> None:
        """Raises InvalidRequest; whether a method of that name exists is for the caller to see."""
        for name in ("noisy", "predicted"):
            method = getattr(self, name)
            if method is not None and not (isinstance(method, str) and 0 < len(method) <= 64):
                raise InvalidRequest(name, "must be the name of a preview method, or null")
        if not isinstance(self.guidance, bool):
            raise InvalidRequest("guidance", "must be true or false")
        whole = isinstance(self.every, int) and not isinstance(self.every, bool)
        if not whole or not 1 <= self.every <= MAX_EVERY:
            raise InvalidRequest("every", f"must be a whole number of steps, from 1 to {MAX_EVERY}")


@dataclass(frozen=True, slots=True)
class Frame:
    """A preview, encoded for a browser."""

    data: bytes
    media_type: str  # "image/png" or "image/jpeg"

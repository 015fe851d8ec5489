"""What every backend can do, wherever its engine is."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from webui.events import EngineEvent
from webui.request import GenerationRequest
from webui.wire import RunOptions


@dataclass(frozen=True, slots=True)
class EngineState:
    """At one moment."""

    state: Literal["starting", "ready", "busy", "dead"]
    device: str = ""  # as the engine reported it, "cuda:0"; "" until then
    text: str = ""  # for the user: what it does, or the last it said before it died
    pid: int | None = None
    hello: Mapping[str, Any] = field(default_factory=dict)  # what the engine said of itself


class Backend(Protocol):
    """One engine."""

    def run(
        self, job_id: str, request: GenerationRequest, options: RunOptions
    ) -> Generator[EngineEvent, None, str]:
        """Yields what happens; returns "done", "stopped" or "cancelled".

        Closing it early throws the run away. Raises the engine's own errors; EngineDied if the
        engine ended, fell silent or got no further, EngineNotStarted if it could not begin,
        EngineRestarted if somebody asked for a new one.
        """
        ...

    def call(self, name: str, args: Mapping[str, Any], timeout: float = 30) -> Any:
        """A short call, answered in mid-run too; blobs come back as bytes under "blob".

        With timeout 0 it is only sent. Raises EngineDied, also if no answer comes in time
        (seconds), or the error answered.
        """
        ...

    def restart(self) -> None:
        """Kills the engine, whatever it does, and starts a new one."""
        ...

    def state(self) -> EngineState: ...

    def close(self) -> None: ...

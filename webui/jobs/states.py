"""The states of a job, and the one table of moves between them; drawn in docs/jobs.md.

Everything that changes a state asks this table, the store's SQL too.
"""

from collections.abc import Mapping
from typing import Literal, get_args

State = Literal[
    "queued", "paused", "running", "done", "stopped", "cancelled", "failed", "interrupted"
]
STATES: tuple[State, ...] = get_args(State)
WAITING: tuple[State, ...] = ("queued", "paused")  # in the line, in its order
ACTIVE: tuple[State, ...] = (*WAITING, "running")
ENDED: tuple[State, ...] = ("done", "stopped", "cancelled", "failed", "interrupted")

MOVES: Mapping[State, tuple[State, ...]] = {
    "queued": ("running", "paused", "cancelled", "failed"),  # failed: its row cannot be read
    "paused": ("queued", "cancelled"),
    # queued: the engine could not be started, so nothing has happened to it
    "running": ("done", "stopped", "cancelled", "failed", "interrupted", "queued"),
    "interrupted": ("queued",),
    "done": (),
    "stopped": (),
    "cancelled": (),
    "failed": (),
}


def before(state: State) -> tuple[State, ...]:
    """The states that `state` may be reached from."""
    return tuple(each for each in STATES if state in MOVES[each])


def listed(states: tuple[State, ...]) -> str:
    """As SQL writes a list of texts; the names are ours."""
    return "(" + ", ".join(f"'{each}'" for each in states) + ")"

"""Which conditionings, and which LoRAs of the UNet, are in force at which step.

A prompt's text may change from step to step. All of it is encoded before the first step, so that
nothing can go wrong in the middle of a run.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from webui.engine.conditioning.conditioner import equally_long
from webui.engine.denoiser import Guides
from webui.interfaces import Conditioning

Adapted = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Track:
    """One part of a prompt: a conditioning up to and with each of some steps."""

    weight: float
    stages: Sequence[tuple[int, Conditioning]]  # (its last step, from 1)

    def at(self, step: int) -> Conditioning:
        """The last one stays beyond the last step."""
        return next((made for end, made in self.stages if step <= end), self.stages[-1][1])


class Timeline:
    """What guides each of a number of steps."""

    def __init__(
        self,
        positive: Sequence[Track],
        negative: Track,
        empty: Track,
        steps: int,
        adapted: Sequence[tuple[int, Adapted]] = (),
    ) -> None:
        """`empty` is an empty window's encoding: what the shorter texts of a step are padded with.
        `adapted` is what the network is called within, up to and with each of some steps.

        A part of weight 0 is left out: it changes nothing, and would cost a call of the network.
        """
        counted = [track for track in positive if track.weight != 0]
        known: dict[tuple[int, ...], Guides] = {}
        self._guides: list[Guides] = []
        for step in range(1, steps + 1):
            stage = [negative.at(step), *(track.at(step) for track in counted)]
            within = next((each for end, each in adapted if step <= end), nullcontext)
            key = (id(within), *map(id, stage))
            if key not in known:
                away, *towards = equally_long(stage, empty.at(step))
                weights = [track.weight for track in counted]
                known[key] = Guides(away, tuple(zip(weights, towards, strict=True)), within)
            self._guides.append(known[key])

    def at(self, step: int) -> Guides:
        """`step` is 1-based."""
        return self._guides[min(step, len(self._guides)) - 1]

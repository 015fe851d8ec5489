"""How far a run is, in the steps that were asked for: what a prompt's stages go by.

Most samplers take exactly those. A few go at their own pace and say how many steps theirs will be;
step k of theirs stands where the same share of the steps asked for is done.
"""

from collections.abc import Sequence

from webui.interfaces import Step


class Progress:
    """Set by the engine between two steps, so it is right for every call that a step makes."""

    def __init__(self, steps: int, walk: int | None = None) -> None:
        """`walk`: how many a sampler makes that goes at the usual pace, if not `steps`."""
        self._steps = steps
        self._walk = walk or steps
        self.step = 1  # the one that is being made, from 1 to `steps`

    def begin(self, past: Sequence[Step]) -> None:
        """A batch starts after the steps that it already has."""
        self.step = 1
        for made, step in enumerate(past, 1):
            self.after(made, step)

    def after(self, made: int, step: Step) -> None:
        """`made` steps are done, `step` was the last of them. Never goes back: a sampler's guess
        of how many there will be may grow."""
        total = step.pace.steps if step.pace else self._walk
        self.step = max(self.step, min(self._steps, made * self._steps // max(1, total) + 1))

    @property
    def share(self) -> float:
        """Of the steps, those that are done when the one at hand is; above 0, to 1."""
        return self.step / self._steps

"""What a step's guidance was made of: the first call's, with the prompt and without."""

from torch import Tensor


class GuidanceView:
    """Shown what guidance computes anyway; costs no call of the network."""

    def __init__(self) -> None:
        self._seen: tuple[Tensor, Tensor] | None = None

    def saw(self, unprompted: Tensor, prompted: Tensor) -> None:
        """Both (B, C, h, w)."""
        if self._seen is None:
            self._seen = unprompted, prompted

    def take(self) -> tuple[Tensor, Tensor] | None:
        """Of the step that has just been made; None if nothing was guided."""
        seen, self._seen = self._seen, None
        return seen

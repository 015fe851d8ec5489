"""The seam between what a batch is made of and how each part of it is sampled.

A batch is a course of turns. A course is a generator: it yields a Turn, is sent what that gave, and
in the end returns the pictures; events that it yields are passed on. So a second pass, a loop or a
tile is one more turn, and nobody who samples, records, stops or draws knows why it is made.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from webui.events import EngineEvent, Picture
from webui.interfaces import Model
from webui.request import GenerationRequest
from webui.request.turns import steps_made

View = Callable[[Image.Image], Image.Image]  # a drawn picture, as it is to be looked at


@dataclass(frozen=True, slots=True)
class Start:
    """What a turn begins with beside noise."""

    latents: Tensor  # (B or 1, C, h, w), clean, on the device
    strength: float
    exact_steps: bool = False
    noise_multiplier: float = 1.0
    mask: Tensor | None = None  # (1, 1, h, w) in [0, 1], 1 is repainted; the rest stays `latents`
    soft: bool = False  # a grey mask is repainted late, instead of in part
    field: str = "init.exact_steps"  # to blame where there are not as many steps


@dataclass(frozen=True, slots=True)
class Part:
    """Where a turn's latent lies in a larger one, whose noise it has a part of; in cells."""

    whole: tuple[int, int]  # (h, w)
    top: int
    left: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One sampling of a batch, which becomes one trajectory."""

    request: GenerationRequest  # that stands for it: its size, seeds, prompt, sampler, steps
    model: Model
    start: Start | None = None  # None: noise alone
    turns: int = 1  # of its batch, in all
    painted: tuple[Tensor, Tensor] | None = None  # what `Model.painting` is told; None: all is new
    view: View | None = None  # where what is drawn of it is only a part of the picture
    part: Part | None = None  # where its noise is
    resized: tuple[int, int] | None = None  # its (width, height) if it is not the request's
    after: int = 0  # steps of the pass before, that the prompt's switches count on from

    def told(self) -> "Turn":
        """With a model that knows what it paints on, for networks made for inpainting."""
        width, height = self.size
        size = (height, width)
        picture, mask = self.painted or (torch.zeros(1, 3, *size), torch.ones(1, 1, *size))
        return replace(self, model=self.model.painting(picture, mask))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels; may be more than a request can ask for."""
        return self.resized or (self.request.width, self.request.height)

    @property
    def steps(self) -> int:
        """That are made."""
        if self.start is None:
            return self.request.steps
        return steps_made(self.request.steps, self.start.strength, self.start.exact_steps)


@dataclass(frozen=True, slots=True)
class Made:
    """What a turn gave."""

    latents: Tensor  # (B, C, h, w) on the device; predicted ones, if steps were left out
    step: int  # the last one
    unfinished: bool  # steps were left out
    ended: bool  # nothing more is wanted: the pictures are to be made of what there is


class Result(NamedTuple):
    """A picture of a batch."""

    picture: Picture
    notes: tuple[str, ...] = ()  # what its metadata must say


class OnTheWay(NamedTuple):
    """A picture that a loop makes of a batch's only one, before the last."""

    result: Result
    loop: int  # 0-based


# pictures are made one by one, since after each the rest may not be wanted any more
Course = Generator[Turn | OnTheWay | EngineEvent, Made | None, Iterator[Result]]

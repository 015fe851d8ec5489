"""What extensions do to the prompts' encodings: each once, or anew at each step."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from webui.engine.denoiser import Guides
from webui.interfaces import Conditioning
from webui.interfaces.engine_hooks import ConditioningPlace, ConditioningTransform
from webui.interfaces.server_hooks import Owned

Asked = Owned[ConditioningTransform]
Transform = Callable[[Asked, Conditioning, ConditioningPlace], Conditioning]


class Transformed:
    """Of one turn. A step may ask many times, and is told the same each time."""

    def __init__(self, asked: Sequence[Asked], transform: Transform) -> None:
        self._asked, self._transform = asked, transform
        self._last: tuple[int, Guides, Guides] | None = None
        # (which of `asked`, id of what it is given, place) -> that, and what came of it
        self._once: dict[tuple[int, int, ConditioningPlace], tuple[Conditioning, Conditioning]] = {}

    def at(self, guides: Guides, step: int) -> Guides:
        if not self._asked:
            return guides
        if self._last is None or self._last[0] != step or self._last[1] is not guides:
            negative = self._made(guides.negative, ConditioningPlace(negative=True, part=0))
            positive = tuple(
                (weight, self._made(each, ConditioningPlace(negative=False, part=part)))
                for part, (weight, each) in enumerate(guides.positive)
            )
            self._last = step, guides, replace(guides, negative=negative, positive=positive)
        return self._last[2]

    def _made(self, conditioning: Conditioning, place: ConditioningPlace) -> Conditioning:
        for number, owned in enumerate(self._asked):
            before, key = conditioning, (number, id(conditioning), place)
            if key in self._once:
                conditioning = self._once[key][1]
                continue
            conditioning = self._transform(owned, before, place)
            if not owned.value.each_step:
                self._once[key] = before, conditioning
        return conditioning


def copied(conditioning: Conditioning) -> Conditioning:
    """Its own tensors: the ones that it has are kept for the next job."""
    pooled, beside = conditioning.pooled, conditioning.beside
    return replace(
        conditioning,
        context=conditioning.context.clone(),
        pooled=None if pooled is None else pooled.clone(),
        beside=None if beside is None else beside.clone(),
    )


def fitting(before: Conditioning, made: object, images: int, *, finite: bool) -> Conditioning:
    """`made` as it can stand in the place of `before`. Raises TypeError or ValueError."""
    if not isinstance(made, Conditioning):
        raise TypeError(f"must return a Conditioning, returned {type(made).__name__}")
    context = _like("context", before.context, made.context, images)
    pooled = _maybe("pooled", before.pooled, made.pooled, images)
    beside = _maybe("beside", before.beside, made.beside, images)
    for each in (context, pooled, beside):
        if finite and each is not None and not bool(torch.isfinite(each).all()):
            raise ValueError("returned NaN or Inf")
    rows = max(len(each) for each in (context, pooled, beside) if each is not None)
    # a family may show the network something else than the encoding of no words
    empty = before.empty and made.empty and torch.equal(context, before.context)
    return replace(
        before,
        context=context.expand(rows, -1, -1),
        pooled=None if pooled is None else pooled.expand(rows, -1),
        beside=None if beside is None else beside.expand(rows, -1, -1),
        empty=empty,
    )


def _maybe(name: str, before: Tensor | None, made: object, images: int) -> Tensor | None:
    if before is not None:
        return _like(name, before, made, images)
    if made is not None:
        raise ValueError(f"returned {name}, which this model does not have")
    return None


def _like(name: str, before: Tensor, made: object, images: int) -> Tensor:
    """With one row, or one for each image."""
    if not isinstance(made, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, is {type(made).__name__}")
    rows = [before.shape, (images, *before.shape[1:])]
    if made.shape not in rows:
        raise ValueError(f"{name} must be {tuple(before.shape)}, is {tuple(made.shape)}")
    return made.to(before)

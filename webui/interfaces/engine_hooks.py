"""What extensions bring to the engine: wrappers around its calls, and looks at what it makes.

Wrappers keep the signature of what they wrap, so that any number of them nest. Each is asked only
for a job whose `request.extras` has the control group that it `needs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from webui.request import GenerationRequest

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from webui.interfaces import Conditioning, Denoiser, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of the prompt that is shown to the network."""

    text: str
    tokens: Sequence[int]  # its places in the context that attention looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """One sampling of a batch, as an extension sees it. Made anew for each turn and extension."""

    request: GenerationRequest  # that stands for the turn
    values: Mapping[str, Any]  # of the group that the hook needs, all of them
    model: Model
    batch: int  # 0-based
    turn: int  # 0-based, of the batch
    steps: int  # that will be made
    images: int  # in the batch
    step: Callable[[], int]  # the one that is being made, from 1
    words: Callable[[], Sequence[Word]]  # of the prompt's last part, at that step
    predict: Callable[[Tensor, Tensor], Tensor]  # clean (B, C, h, w), by the prompt alone
    stopped: Callable[[], bool]  # whether the job is to end
    # clean (B, C, h, w) by the negative prompt alone, then by each part between ANDs
    parts: Callable[[Tensor, Tensor], Sequence[Tensor]] = lambda x, sigma: ()
    state: dict[str, Any] = field(default_factory=dict)  # the extension's own, for this turn
    keep: Path | None = None  # a folder of the extension's own beside the kept steps


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserWrapper:
    """A denoiser of a denoiser: (x (B, C, h, w), sigma ()) -> clean (B, C, h, w).

    Outside guidance, inside the mask of inpainting.
    """

    needs: str
    wrap: Callable[[Denoiser, TurnView], Denoiser]
    order: int = 0  # lower ones are further inside


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningPlace:
    """Which encoding of a turn's prompts."""

    negative: bool  # the negative prompt's
    part: int  # 0-based, of what stands between ANDs; those of weight 0 are not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditioningTransform:
    """Encoding -> encoding of the same shape, before the network looks at it.

    Asked once for each encoding, or anew `each_step`. The context is (1, tokens, width); what is
    given back may be (B, tokens, width), one for each picture of the batch. What stands for no
    words, `empty`, some families replace; changed, it is shown as it is.
    """

    needs: str
    apply: Callable[[Conditioning, ConditioningPlace, TurnView], Conditioning]
    each_step: bool = False
    order: int = 0  # lower ones first


class Attend(Protocol):
    """One attention of the network."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query (N, heads, n, d), key and value (N, heads, m, d) -> (N, heads, n, d)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPlace:
    name: str  # the module's, "mid_block.attentions.0.transformer_blocks.0.attn2"
    cross: bool  # it looks at the prompt; else the picture looks at itself


WrapAttention = Callable[[Attend, AttentionPlace], Attend]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionProcessor:
    """Wraps the attentions of the network while a turn is sampled; removed by the engine.

    N counts the pictures of the batch for each conditioning: the negative prompt's first (none at
    guidance 1), then each part of the prompt.
    """

    needs: str
    wrap: Callable[[Attend, AttentionPlace, TurnView], Attend]
    cross_only: bool = False  # leave the attentions of the picture to itself alone
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    step: int  # that was made, from 1
    sigma: float  # noise level that is left
    x: Tensor  # (B, C, h, w), not to be changed
    denoised: Tensor  # (B, C, h, w), not to be changed


@dataclass(frozen=True, slots=True, kw_only=True)
class StepListener:
    """Is shown every step, and after the last one None."""

    needs: str
    hear: Callable[[StepSeen | None, TurnView], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureView:
    """A finished picture's place in its job."""

    request: GenerationRequest  # the one-image request that makes it
    values: Mapping[str, Any]
    image: int  # 0-based
    render: Callable[[GenerationRequest, Mapping[str, Image.Image]], Sequence[Image.Image]]
    stopped: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOperation:
    """Picture -> picture, after decoding and before it is saved; RGB, 8 bits.

    `view.render(request, pictures)` makes pictures meanwhile, as a nested run of the same engine;
    `pictures` are those that the request names by the keys of the mapping.
    """

    needs: str
    apply: Callable[[Image.Image, PictureView], Image.Image]
    order: int = 0

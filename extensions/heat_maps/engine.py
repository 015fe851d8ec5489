"""Cross-attention, word by word: how much each place of the picture looks at each word's tokens.

Averaged over heads and over the attentions of up to 1024 places, for the prompt's own half of the
call; kept for each step as 8-bit maps beside the kept steps.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webui import (
    Attend,
    AttentionPlace,
    AttentionProcessor,
    StepListener,
    StepSeen,
    TurnView,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor

_NEEDS = "heat_maps"
_SIDE = 16  # cells of a map, each way at most: a word is nowhere sharper
_MOST_PLACES = 1024  # of an attention that counts
_MOST_WORDS = 40


@hookimpl
def register_attention_processors() -> Sequence[AttentionProcessor]:
    return (AttentionProcessor(needs=_NEEDS, wrap=watched, cross_only=True),)


@hookimpl
def register_step_listeners() -> Sequence[StepListener]:
    return (StepListener(needs=_NEEDS, hear=kept),)


def watched(attend: Attend, place: AttentionPlace, view: TurnView) -> Attend:
    """As it was; its probabilities are added up on the way."""

    def look(query: "Tensor", key: "Tensor", value: "Tensor") -> "Tensor":
        if query.shape[2] <= _MOST_PLACES:
            images = view.images
            chosen, context = query[-images:].float(), key[-images:].float()
            weights = chosen @ context.transpose(-1, -2) * query.shape[-1] ** -0.5
            seen = weights.softmax(-1).mean(1)  # (images, places, tokens)
            sums: dict[int, Any] = view.state.setdefault("sums", {})
            places = seen.shape[1]
            sums[places] = sums[places] + seen if places in sums else seen
        return attend(query, key, value)

    return look


def kept(seen: StepSeen | None, view: TurnView) -> None:
    """Writes the maps of the step that was made, and begins anew."""
    sums = view.state.pop("sums", {})
    words = view.words()[:_MOST_WORDS]
    if seen is None or view.keep is None or not sums or not words:
        return
    height, width = seen.x.shape[2:]
    maps = _maps(sums, (height, width), [word.tokens for word in words])  # (images, words, h, w)
    view.keep.mkdir(parents=True, exist_ok=True)
    for position, one in enumerate(maps):
        name = f"{view.batch}.{view.turn}.{seen.step}.{position}"
        peak = float(one.max()) or 1.0
        head = {
            "words": [word.text for word in words],
            "height": one.shape[1],
            "width": one.shape[2],
            "peaks": [float(each.max()) for each in one],
        }
        pixels = (one / peak * 255).round().clamp(0, 255).byte().numpy().tobytes()
        data = json.dumps(head).encode() + b"\n" + pixels
        part = view.keep / f"{name}.part"
        part.write_bytes(data)
        part.replace(view.keep / name)


def _maps(sums: dict[int, Any], size: tuple[int, int], words: Sequence[Sequence[int]]) -> "Tensor":
    """(images, words, h, w) on the CPU: each attention's places are a smaller picture."""
    import torch
    from torch.nn import functional

    height, width = size
    shrink = max(1, -(-max(height, width) // _SIDE))
    target = max(1, height // shrink), max(1, width // shrink)
    made = []
    for places, seen in sums.items():
        side = (height * width / places) ** 0.5
        rows = round(height / side)
        if rows < 1 or places % rows:
            continue
        grid = seen.transpose(1, 2).unflatten(-1, (rows, places // rows))
        last = grid.shape[1] - 1
        per_word = torch.stack(
            [grid[:, [min(each, last) for each in tokens]].mean(1) for tokens in words], dim=1
        )
        per_word = per_word / per_word.sum((2, 3), keepdim=True).clamp_min(1e-9)
        made.append(functional.interpolate(per_word, target, mode="bilinear"))
    return torch.stack(made).mean(0).cpu()

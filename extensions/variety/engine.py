"""Condition-annealed sampling: Sadat et al. 2024 (arXiv:2310.17347), algorithm 1, with psi = 1.

The prompt's encoding y becomes sqrt(g) y + s sqrt(1 - g) n, scaled back to its own mean and
deviation; g rises from 0 to 1. The negative prompt stays: it is what the paper's is guided from.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from webui import (
    Conditioning,
    ConditioningPlace,
    ConditioningTransform,
    TurnView,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


@hookimpl
def register_conditioning_transforms() -> Sequence[ConditioningTransform]:
    return (ConditioningTransform(needs="variety", apply=annealed, each_step=True),)


def annealed(made: Conditioning, place: ConditioningPlace, view: TurnView) -> Conditioning:
    """With one row for each picture of the batch, each with noise of its own seed."""
    strength = view.values["strength"] or view.values["by_tag"]
    step = view.step()
    kept = share(step, view.steps, view.values["noisy"], view.values["until"])
    if place.negative or strength == 0 or kept == 1:
        return made
    seeds = view.request.batch_seeds(view.batch)

    def noisy(tensor: "Tensor", salt: int) -> "Tensor":
        drawn = noise(tensor, seeds, (step, place.part, salt))
        mixed = kept**0.5 * tensor.float() + strength * (1 - kept) ** 0.5 * drawn
        return scaled(mixed, tensor.float()).to(tensor.dtype)

    return replace(
        made,
        context=noisy(made.context, 0),
        pooled=None if made.pooled is None else noisy(made.pooled, 1),
        beside=None if made.beside is None else noisy(made.beside, 2),
    )


def share(step: int, steps: int, noisy: float, until: float) -> float:
    """Of the prompt that is there at a step (from 1), in [0, 1]: the paper's gamma."""
    done = (step - 1) / steps
    if done >= until:
        return 1.0
    return max(0.0, (done - noisy) / (until - noisy)) if noisy < until else 0.0


def noise(like: "Tensor", seeds: Sequence[int], salts: tuple[int, int, int]) -> "Tensor":
    """(B, ...) standard normal, float32: the same for a seed, a step and a part on any machine."""
    import torch

    rows = []
    for seed in seeds:
        step, part, which = salts
        mixed = (seed * 1_000_003 + step * 8191 + part * 127 + which) % 2**63
        generator = torch.Generator("cpu").manual_seed(mixed)
        rows.append(torch.randn(like.shape[1:], generator=generator))
    return torch.stack(rows).to(like.device)


def scaled(mixed: "Tensor", like: "Tensor") -> "Tensor":
    """Each row with the mean and the deviation of what it was made of."""
    axes = tuple(range(1, mixed.dim()))
    spread = mixed.std(axes, keepdim=True).clamp(min=1e-6)
    centred = (mixed - mixed.mean(axes, keepdim=True)) / spread
    return centred * like.std(axes, keepdim=True) + like.mean(axes, keepdim=True)

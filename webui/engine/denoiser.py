"""The one signature everything meets at, and the wrappers that keep it.

A denoiser guesses the clean latent from a noisy one. Guidance makes one out of a model and its
conditionings; a sampler calls one, and so may a wrapper, which is one again. What CFG++ needs
beside the guess it asks the guidance itself, so that no wrapper has to know of it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce
from operator import add

from torch import Tensor

from webui.interfaces import Conditioning, Denoiser, Model

_LATENTS = 8  # in one call of the network, or twice the pictures of a batch if that is more


def from_epsilon(x: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
    """The clean latent, where the network predicts the noise; all (B, C, h, w), sigma ()."""
    return x - sigma * epsilon


def from_velocity(x: Tensor, sigma: Tensor, velocity: Tensor) -> Tensor:
    """The clean latent, where the network predicts v: Salimans & Ho 2022 (arXiv:2202.00512), D.

    In sigma form, x = clean + sigma * noise; all (B, C, h, w), sigma ().
    """
    variance = sigma**2 + 1
    return x / variance - velocity * (sigma / variance**0.5)


def from_flow(x: Tensor, sigma: Tensor, velocity: Tensor) -> Tensor:
    """The clean latent, where the network predicts noise - clean: Lipman et al. 2022
    (arXiv:2210.02747), for x = (1 - sigma) * clean + sigma * noise."""
    return x - sigma * velocity


@dataclass(frozen=True, slots=True)
class Guides:
    """What guides one step; all contexts are equally long."""

    negative: Conditioning
    positive: Sequence[tuple[float, Conditioning]]  # weights and the parts of the prompt
    # within which the network is called: LoRAs that hold at this step
    adapted: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def alone(self) -> bool:
        """Whether at scale 1 the negative one has no influence."""
        return sum(weight for weight, _ in self.positive) == 1


Seen = Callable[[Tensor, Tensor], None]  # is shown the predictions without and with the prompt


def guided(
    model: Model, now: Callable[[], Guides], scale: float, seen: Seen | None = None
) -> Denoiser:
    """Classifier-free guidance, Ho & Salimans 2022 (arXiv:2207.12598); all in one network call.

    `now` gives what guides the step at hand. Several positive parts compose as in Liu et al. 2022
    (arXiv:2206.01714), equation 11: each pulls by its weight. At scale 1, with weights that add up
    to 1, the negative one has no influence and is not computed.
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        guides = now()
        if scale == 1 and guides.alone:
            towards = predicted(model, x, sigma, guides, [part for _, part in guides.positive])
            parts = zip(guides.positive, towards, strict=True)
            return reduce(add, (_times(weight, clean) for (weight, _), clean in parts))
        return _pulled(model, x, sigma, guides, scale, seen)[0]

    return denoise


class RecordedGuidance:
    """Guidance that can be asked what it predicted without the prompt; for samplers of CFG++.

    At any scale all predictions are made: Chung et al. 2024 (arXiv:2406.08070), equation 9, whose
    scale goes from 0 (as without a prompt) to 1 (all prompt).
    """

    def __init__(
        self, model: Model, now: Callable[[], Guides], scale: float, seen: Seen | None = None
    ) -> None:
        self._model, self._now, self._scale, self._seen = model, now, scale, seen
        self._away: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        guides = self._now()
        result, self._away = _pulled(self._model, x, sigma, guides, self._scale, self._seen)
        return result

    def unguided(self) -> Tensor:
        """The unguided prediction (B, C, h, w) of the last call."""
        if self._away is None:
            raise RuntimeError("nothing has been predicted yet")
        return self._away


def inpainted(denoise: Denoiser, mask: Callable[[], Tensor], clean: Tensor) -> Denoiser:
    """Where the mask is 0 the clean latent is known, and is the guess: `clean` (B or 1, C, h, w).

    For what is known that is the ideal denoiser (Karras et al. 2022, appendix B.3, for one point of
    data), so that every sampler there follows clean + sigma * noise of its own accord, and the new
    part meets it at each step. `mask` gives (1, 1, h, w) in [0, 1] for the step at hand.
    """

    def masked(x: Tensor, sigma: Tensor) -> Tensor:
        new = mask()
        return new * denoise(x, sigma) + (1 - new) * clean

    return masked


def later(strength: Tensor, share: Callable[[], float]) -> Callable[[], Tensor]:
    """Differential diffusion, Levin & Fried 2023 (arXiv:2306.00950), algorithm 1.

    `strength` (1, 1, h, w) in [0, 1] says how much of the way each cell is made anew: it joins when
    no more than that is left. `share` is how much of the way is done after the step at hand.
    """
    return lambda: (strength > 1 - share()).to(strength.dtype)


def _pulled(
    model: Model, x: Tensor, sigma: Tensor, guides: Guides, scale: float, seen: Seen | None
) -> tuple[Tensor, Tensor]:
    """The guided prediction, and the unguided one."""
    parts = [part for _, part in guides.positive]
    away, *towards = predicted(model, x, sigma, guides, [guides.negative, *parts])
    result = away
    for (weight, _), clean in zip(guides.positive, towards, strict=True):
        result = result + _times(scale * weight, clean - away)
    if seen is not None:
        pairs = zip(guides.positive, towards, strict=True)
        seen(
            away, reduce(add, (_times(weight, clean - away) for (weight, _), clean in pairs), away)
        )
    return result, away


def predicted(
    model: Model,
    x: Tensor,
    sigma: Tensor,
    guides: Guides,
    conditionings: Sequence[Conditioning],
) -> list[Tensor]:
    """Clean (B, C, h, w) for each: in one call, unless many parts would take more memory than a
    full batch of one prompt."""
    at_once = max(2, _LATENTS // len(x))
    with guides.adapted():
        return [
            clean
            for first in range(0, len(conditionings), at_once)
            for clean in model.predict(x, sigma, conditionings[first : first + at_once])
        ]


def _times(factor: float, tensor: Tensor) -> Tensor:
    return tensor if factor == 1 else factor * tensor

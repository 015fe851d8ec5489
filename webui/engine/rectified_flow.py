"""Models of rectified flows: their noise levels, and samplers on them. Knows no model.

There a noisy latent is (1 - sigma) * clean + sigma * noise, with sigma from 1, noise alone, to 0
(Liu et al. 2022, arXiv:2209.03003). Its ODE is the one that samplers know, dx/dsigma = (x -
denoised) / sigma, so those without noise of their own walk it as it is. Noise that is added on the
way needs more: what is there has to be made smaller first, so that both are mixed as before.
"""

from collections.abc import Iterator, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from webui.errors import InvalidRequest
from webui.interfaces import Denoiser, Noise, Sampler, Step

_TOP = 1 - 2**-16  # the level that stands for 1 where 1 would be infinite


class FlowLevels:
    """T even levels up to 1, moved up by the shift: Esser et al. 2024 (arXiv:2403.03206), equation
    23. The larger a picture, the more noise it takes to hide it."""

    flow = True
    align_your_steps: Sequence[float] = ()

    def __init__(self, count: int = 1000, shift: float = 1.0) -> None:
        self._count = count
        self._shift = shift

    @property
    def sigmas(self) -> Tensor:
        return self.t_to_sigma(torch.arange(self._count))

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        moved = sigma.double()
        even = moved / (self._shift - (self._shift - 1) * moved)
        return (even * self._count - 1).clamp(0, self._count - 1).float()

    def t_to_sigma(self, t: Tensor) -> Tensor:
        even = (t.double().clamp(0, self._count - 1) + 1) / self._count
        return (self._shift * even / (1 + (self._shift - 1) * even)).float()

    def shifted(self, shift: float | None) -> "FlowLevels":
        return self if shift is None else FlowLevels(self._count, shift)


def exploded(sampler: Sampler) -> Sampler:
    """A sampler of latents clean + sigma * noise, on the levels of a flow.

    The latent divided by the share of what is clean in it, x / (1 - sigma), is such a one, of noise
    level sigma / (1 - sigma): whatever is right for these is right for a flow. For samplers that
    walk the levels one by one, and do not take a slope from the first, which is infinite.

    What is kept is the flow's latent. Each step begins with what was kept, so that a run that goes
    on after k steps gives the same bits.
    """

    @wraps(sampler)
    def walk(
        denoise: Denoiser,
        x: Tensor,
        sigmas: Tensor,
        noise: Noise,
        past: Sequence[Step] = (),
        **options: Any,
    ) -> Iterator[Step]:
        exploding = _Exploding(denoise, noise, sigmas)
        levels = exploding.levels
        made = [_grown(*each) for each in zip(past, levels[1:], strict=False)]
        for i in range(len(past), len(levels) - 1):
            latent = made[-1].x if made else x * (1 + levels[0])
            step = next(
                sampler(exploding.denoise, latent, levels, exploding.noise, made, **options)
            )
            flow = step._replace(x=step.x / (1 + levels[i + 1]))
            made.append(_grown(flow, levels[i + 1]))
            yield flow

    return walk


class _Exploding:
    """The latents of a flow divided by the share of what is clean in them."""

    def __init__(self, denoise: Denoiser, noise: Noise, sigmas: Tensor) -> None:
        """`sigmas` (n + 1,), `denoise` and `noise` are the flow's."""
        self._denoise, self._noise, self._first = denoise, noise, sigmas[0]
        finite = sigmas.double().clamp(max=_TOP)
        self.levels = (finite / (1 - finite)).to(sigmas.dtype)  # (n + 1,)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._denoise(x / (1 + sigma), self._flowing(sigma))

    def noise(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        return self._noise(self._flowing(sigma), self._flowing(sigma_next))

    def _flowing(self, level: Tensor) -> Tensor:
        return self._first if level >= self.levels[0] else level / (1 + level)


def _grown(step: Step, level: Tensor) -> Step:
    return step._replace(x=step.x * (1 + level))


def without(sampler: Sampler, option: str, instead: str) -> Sampler:
    """The same without noise that is only added to what is there, which `option` asks for."""

    @wraps(sampler)
    def walk(*given: Any, **options: Any) -> Iterator[Step]:
        if options.get(option):
            wrong = f"must be 0 with a flow model, got {options[option]:g}"
            raise InvalidRequest(f"sampling.{option}", f"{wrong}; for fresh noise take {instead}")
        return sampler(*given, **options)

    return walk

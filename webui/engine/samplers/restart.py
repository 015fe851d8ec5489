"""Restart: Heun's method that goes back to a higher noise level once or twice. Two calls a step."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.samplers.heun import heun_step
from webui.engine.schedules import karras_between
from webui.interfaces import Denoiser, Noise, Pace, Step

LOW, HIGH = 0.1, 2.0  # from the level nearest to LOW back to the one nearest to HIGH


def restart(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Xu et al. 2023 (arXiv:2306.14878), algorithm 1, with A1111's choice of intervals.

    From 20 steps on nine of them are one repetition, from 36 on a half are two; the levels are
    then Karras', between the given highest and lowest. Below 20 it is Heun on the given levels.
    """
    walk = restart_walk(sigmas)
    for i in range(len(past), len(walk)):
        sigma, sigma_next = walk[i]
        left = walk[i - 1][1] if i else sigma
        if sigma > left:
            x = x + noise(left, sigma) * (s_noise * (sigma**2 - left**2).sqrt())
        x, denoised = heun_step(denoise, x, sigma, sigma_next)
        yield Step(x, denoised, pace=Pace(float(sigma_next), len(walk)))


def restart_walk(sigmas: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(from, to) of each step; where one begins above the end of the last, noise is added."""
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    again, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    levels = karras_between(steps - again * times, sigmas[-2], sigmas[0]).to(sigmas)
    low, high = (int(torch.argmin((levels - target).abs())) for target in (LOW, HIGH))
    walk = list(pairwise(levels))
    if high >= low:
        return walk
    back = karras_between(again + 1, levels[low], levels[high])[:-1].to(sigmas)
    return walk[:low] + list(pairwise(back)) * times + walk[low:]

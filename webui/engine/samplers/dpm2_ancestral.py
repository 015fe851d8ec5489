"""DPM-Solver-2 steps that overshoot and add fresh noise back. Two calls a step."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.samplers.dpm2 import dpm2_step
from webui.engine.splitting import Split, added
from webui.interfaces import Denoiser, Noise, Step


def dpm2_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    split: Split = added,
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2206.00927), algorithm 1, down to the ancestral split's lower level."""
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        down, up, kept = split(float(sigma), float(sigma_next), eta)
        x = dpm2_step(denoise, x, denoised, sigma, sigmas.new_tensor(down))
        if up > 0:
            x = x * kept + noise(sigma, sigma_next) * (s_noise * up)
        yield Step(x, denoised)

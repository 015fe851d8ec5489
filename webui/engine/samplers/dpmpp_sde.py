"""DPM-Solver++ for the SDE, from the guess in mid-step; noise is drawn twice. Two calls a step."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import ancestral
from webui.interfaces import Denoiser, Noise, Step


def dpmpp_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2211.01095), algorithm 1 with r = 1/2, each part an ancestral one.

    As k-diffusion has it. Both draws belong to intervals that begin at sigma: with a Brownian tree
    the second one holds the first.
    """
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        if sigma_next == 0:
            yield Step(denoised, denoised)
            return
        middle = (sigma * sigma_next).sqrt()
        down, up = ancestral(float(sigma), float(middle), eta)
        halfway = denoised + (x - denoised) * (down / float(sigma))
        if up > 0:
            halfway = halfway + noise(sigma, middle) * (s_noise * up)
        guess = denoise(halfway, middle)
        down, up = ancestral(float(sigma), float(sigma_next), eta)
        x = guess + (x - guess) * (down / float(sigma))
        if up > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
        yield Step(x, denoised)

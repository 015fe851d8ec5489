"""DPM-Solver++ (2S) steps that overshoot and add fresh noise back. Second order, two calls."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import Split, added
from webui.interfaces import Denoiser, Noise, Step


def dpmpp_2s_ancestral(
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
    """Lu et al. 2022 (arXiv:2211.01095), algorithm 1 with r = 1/2, in sigma form."""
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        start = float(sigma)
        down, up, kept = split(start, float(sigma_next), eta)
        if down == 0:
            x = denoised
        else:
            middle = math.sqrt(start * down)
            halfway = denoised + (x - denoised) * (middle / start)
            guess = denoise(halfway, sigmas.new_tensor(middle))
            x = guess + (x - guess) * (down / start)
        if up > 0:
            x = x * kept + noise(sigma, sigma_next) * (s_noise * up)
        yield Step(x, denoised)

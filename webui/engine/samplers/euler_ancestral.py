"""Euler steps that overshoot and add fresh noise back. Random: keeps changing with more steps."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import Split, added
from webui.interfaces import Denoiser, Noise, Step


def euler_ancestral(
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
    """DDIM's update (Song et al. 2020, arXiv:2010.02502, equation 12) in sigma form.

    At eta 1 it is DDPM's (Ho et al. 2020, arXiv:2006.11239).
    """
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        down, up, kept = split(float(sigma), float(sigma_next), eta)
        x = denoised + (x - denoised) * (down / float(sigma))
        if up > 0:
            x = x * kept + noise(sigma, sigma_next) * (s_noise * up)
        yield Step(x, denoised)

"""Euler a in CFG++ form: noised again along the unguided prediction. One call a step."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.splitting import ancestral
from webui.interfaces import Denoiser, Noise, Step


def euler_ancestral_cfgpp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    unguided: Callable[[], Tensor] | None = None,
) -> Iterator[Step]:
    """Chung et al. 2024 (arXiv:2406.08070), algorithm 2, with DDIM's fresh noise.

    `unguided` gives the unguided prediction of the last call of `denoise`; None, for a denoiser
    that is not guided, takes the prediction itself.
    """
    for sigma, sigma_next in pairwise(sigmas[len(past) :]):
        denoised = denoise(x, sigma)
        plain = unguided() if unguided else denoised
        down, up = ancestral(float(sigma), float(sigma_next), eta)
        x = denoised + (x - plain) * (down / float(sigma))
        if up > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
        yield Step(x, denoised)

"""DDIM: in sigma form Euler's method, with as much fresh noise as eta says. One call a step."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.engine.samplers.euler_ancestral import euler_ancestral
from webui.engine.splitting import Split, added
from webui.interfaces import Denoiser, Noise, Step


def ddim(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 0.0,
    split: Split = added,
) -> Iterator[Step]:
    """Song et al. 2020 (arXiv:2010.02502), equations 12 and 16."""
    return euler_ancestral(denoise, x, sigmas, noise, past, eta=eta, split=split)

"""DDPM: the posterior of the noising process, step by step; it wants many. One call a step."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.engine.samplers.euler_ancestral import euler_ancestral
from webui.engine.splitting import Split, added
from webui.interfaces import Denoiser, Noise, Step


def ddpm(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    split: Split = added,
) -> Iterator[Step]:
    """Ho et al. 2020 (arXiv:2006.11239), algorithm 2; in sigma form Euler a."""
    return euler_ancestral(denoise, x, sigmas, noise, past, split=split)

"""DDIM in CFG++ form: noised again along the unguided prediction. One call a step."""

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from webui.engine.samplers.euler_ancestral_cfgpp import euler_ancestral_cfgpp
from webui.interfaces import Denoiser, Noise, Step


def ddim_cfgpp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 0.0,
    unguided: Callable[[], Tensor] | None = None,
) -> Iterator[Step]:
    """Chung et al. 2024 (arXiv:2406.08070), algorithm 2."""
    return euler_ancestral_cfgpp(denoise, x, sigmas, noise, past, eta=eta, unguided=unguided)

"""DPM-Solver++ (2M) for the SDE, with Heun's weight of the correction. One call a step."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.engine.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from webui.interfaces import Denoiser, Noise, Step


def dpmpp_2m_sde_heun(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """`dpmpp_2m_sde` with solver type "heun"."""
    return dpmpp_2m_sde(
        denoise, x, sigmas, noise, past, eta=eta, s_noise=s_noise, solver_type="heun"
    )

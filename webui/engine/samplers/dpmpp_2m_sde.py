"""DPM-Solver++ (2M) for the SDE: the guess before, and fresh noise. One call a step."""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.errors import InvalidRequest
from webui.interfaces import Denoiser, Noise, Step


def dpmpp_2m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "midpoint",
) -> Iterator[Step]:
    """Lu et al. 2022 (arXiv:2211.01095), appendix D; "heun" weighs the correction by phi_2."""
    if solver_type not in ("midpoint", "heun"):
        raise InvalidRequest("sampling.solver_type", f"must be midpoint or heun, got {solver_type}")
    before = past[-1].denoised if past else None
    levels = sigmas.tolist()
    for i in range(len(past), len(levels) - 1):
        sigma, sigma_next = levels[i], levels[i + 1]
        denoised = denoise(x, sigmas[i])
        if sigma_next == 0:
            yield Step(denoised, denoised)
            return
        h = math.log(sigma / sigma_next)
        whole = h * (1 + eta)
        share = -math.expm1(-whole)
        x = math.exp(-whole) * x + share * denoised
        if before is not None:
            ratio = math.log(levels[i - 1] / sigma) / h
            phi = 1 - share / whole if solver_type == "heun" else share / 2
            x = x + phi / ratio * (denoised - before)
        if eta > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x = x + noise(sigmas[i], sigmas[i + 1]) * (s_noise * spread)
        before = denoised
        yield Step(x, denoised)

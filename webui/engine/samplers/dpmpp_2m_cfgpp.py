"""DPM-Solver++ (2M) in CFG++ form: the rest of the noise is the unguided one. One call a step."""

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step


def dpmpp_2m_cfgpp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    unguided: Callable[[], Tensor] | None = None,
) -> Iterator[Step]:
    """Chung et al. 2024 (arXiv:2406.08070), appendix; the correction is by unguided predictions.

    `unguided` gives the unguided prediction of the last call of `denoise`; None, for a denoiser
    that is not guided, takes the prediction itself. It is a step's memory.
    """
    before = past[-1].memory if past else None
    for i in range(len(past), len(sigmas) - 1):
        sigma, sigma_next = sigmas[i], sigmas[i + 1]
        denoised = denoise(x, sigma)
        plain = unguided() if unguided else denoised
        x = denoised + (x - plain) * (sigma_next / sigma)
        if before is not None and sigma_next > 0:
            ratio = (sigmas[i - 1] / sigma).log() / (sigma / sigma_next).log()  # h_last / h
            x = x + (plain - before) * ((1 - sigma_next / sigma) / (2 * ratio))
        before = plain
        yield Step(x, denoised, plain)

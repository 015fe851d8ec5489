"""PLMS: DDIM steps along a mean of the last four slopes. One call a step, two in the first."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.interfaces import Denoiser, Noise, Step

# Adams and Bashforth's weights for even steps, newest first, by how many slopes there are.
WEIGHTS = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def plms(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, noise: Noise, past: Sequence[Step] = ()
) -> Iterator[Step]:
    """Liu et al. 2022 (arXiv:2202.09778), equations 12 and 13; the first step is improved Euler.

    A step's slope is its memory: the first one's cannot be found again from where it led to.
    """
    slopes = [step.memory for step in past[-3:] if step.memory is not None]
    for i in range(len(past), len(sigmas) - 1):
        sigma, sigma_next = sigmas[i], sigmas[i + 1]
        denoised = denoise(x, sigma)
        slope = (x - denoised) / sigma
        slopes = [*slopes[-3:], slope]
        if len(slopes) > 1:
            mean = _mean(slopes)
        elif sigma_next > 0:
            predicted = x + slope * (sigma_next - sigma)
            mean = (slope + (predicted - denoise(predicted, sigma_next)) / sigma_next) / 2
        else:
            mean = slope
        x = x + mean * (sigma_next - sigma)
        yield Step(x, denoised, slope)


def _mean(slopes: Sequence[Tensor]) -> Tensor:
    weights = WEIGHTS[len(slopes)]
    mean = slopes[-1] * weights[0]
    for slope, weight in zip(reversed(slopes[:-1]), weights[1:], strict=True):
        mean = mean + slope * weight
    return mean

"""Heun++ 2: slopes from up to three levels ahead, weighted by level; two to three calls.

The weights follow the noise level instead of the step, so that the last steps are nearly Euler's.
That makes it first order, whatever its name says.
"""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from webui.engine.splitting import Churn
from webui.interfaces import Denoiser, Noise, Step


def heunpp2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    past: Sequence[Step] = (),
    *,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """The rule of github.com/Carzit/sd-webui-sampler-heunpp, its second variant; no paper.

    The slopes at the next one or two levels weigh sigma_j / (m * sigma_0), with m slopes in all;
    the first takes the rest.
    """
    steps = len(sigmas) - 1
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, steps)
    for i in range(len(past), steps):
        x, raised = churn.raised(x, sigmas[i], sigmas[i + 1], noise)
        denoised = denoise(x, raised)
        slope = (x - denoised) / raised
        ahead = [sigma for sigma in sigmas[i + 1 : i + 3] if sigma > 0]
        if not ahead:
            yield Step(denoised, denoised)
            return
        mean, point, before, here = slope, x, slope, raised
        for sigma in ahead:
            point, here = point + before * (sigma - here), sigma
            before = (point - denoise(point, sigma)) / sigma
            mean = mean + (before - slope) * (sigma / (sigmas[0] * (len(ahead) + 1)))
        x = x + mean * (sigmas[i + 1] - raised)
        yield Step(x, denoised)

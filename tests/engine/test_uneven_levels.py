"""Multistep samplers on levels of very uneven steps, where a wrong ratio of steps shows.

On the usual schedules neighbouring steps are nearly equal (in log sigma), and a ratio turned upside
down changes next to nothing.
"""

import torch
from diffusers import DPMSolverMultistepScheduler

from tests.engine.gaussian import bent, no_noise
from webui.engine.samplers import SAMPLERS

SIGMAS = torch.tensor([14.0, 9.0, 8.5, 2.0, 1.6, 0.2, 0.15, 0.0])


def test_dpmpp_2m_agrees_with_diffusers_on_uneven_levels():
    scheduler = DPMSolverMultistepScheduler(final_sigmas_type="zero")
    scheduler.set_timesteps(7)
    scheduler.sigmas = SIGMAS
    x = SIGMAS[0] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = [step.x for step in SAMPLERS["DPM++ 2M"](bent, x, SIGMAS, no_noise)]
    theirs = x / (SIGMAS[0] ** 2 + 1) ** 0.5  # diffusers keeps the variance
    for i, t in enumerate(scheduler.timesteps):
        at = theirs * (SIGMAS[i] ** 2 + 1) ** 0.5
        epsilon = (at - bent(at, SIGMAS[i])) / SIGMAS[i]
        theirs = scheduler.step(epsilon, t, theirs).prev_sample
        after = theirs * (SIGMAS[i + 1] ** 2 + 1) ** 0.5
        assert (ours[i] - after).abs().max() < 1e-4 * (1 + after.abs().max())

"""Samplers against the numbers that k-diffusion itself gives (crowsonkb/k-diffusion, 2024).

Recorded from its functions in float64 with the levels, the denoiser and the noise below.
"""

import pytest
import torch

from tests.engine.gaussian import bent, falling
from webui.engine.samplers import SAMPLERS

# (sampler, what is set, the three numbers at the end; for DPM fast n steps instead of 10)
RECORDED = [
    ("Euler", {}, [0.303834596, -0.156536734, 0.062473802]),
    ("Euler", {"s_churn": 4.0, "s_tmin": 0.1, "s_tmax": 5.0},
     [0.017396571, -0.021746573, 0.117667181]),
    ("Heun", {"s_churn": 4.0, "s_tmin": 0.1, "s_tmax": 5.0, "s_noise": 1.01},
     [0.025250627, 0.001484561, 0.082112589]),
    ("DPM2", {"s_churn": 4.0}, [0.067522291, -0.000758087, -0.008846003]),
    ("Heun", {}, [0.248388623, -0.125943853, 0.050137807]),
    ("DPM2", {}, [0.261756876, -0.132957523, 0.052939320]),
    ("LMS", {}, [0.265978441, -0.136976614, 0.054725473]),
    ("DPM++ 2M", {}, [0.273085784, -0.139367165, 0.055573623]),
    ("Euler a", {}, [0.015140722, -0.015405364, 0.013523074]),
    ("Euler a", {"eta": 0.6, "s_noise": 1.02}, [0.223111376, -0.092317142, -0.055611323]),
    ("DPM2 a", {}, [0.024221342, 0.005213812, 0.002138835]),
    ("DPM2 a", {"eta": 0.6, "s_noise": 1.02}, [0.180347111, -0.067941768, -0.043097179]),
    ("DPM++ 2S a", {}, [0.020387353, -0.001570273, 0.010428338]),
    ("DPM++ 2S a", {"eta": 0.6}, [0.195817505, -0.076605280, -0.046026944]),
    ("DPM++ SDE", {}, [0.008639794, -0.026123063, -0.009213987]),
    ("DPM++ SDE", {"eta": 0.6, "s_noise": 1.02}, [0.161605677, -0.094973254, -0.025598958]),
    ("DPM++ 2M SDE", {}, [0.002262655, 0.094486870, 0.108228858]),
    ("DPM++ 2M SDE", {"eta": 0.6}, [0.042886247, 0.032207999, 0.056693250]),
    ("DPM++ 2M SDE Heun", {}, [0.006447060, 0.140850330, 0.143453250]),
    ("DPM++ 3M SDE", {}, [0.235796287, 0.165808302, -0.030111218]),
    ("DPM++ 3M SDE", {"eta": 0.6, "s_noise": 1.02}, [0.178286139, 0.095537546, -0.006928105]),
    ("DPM fast", {"n": 9}, [0.389622658, -0.191723009, 0.075652960]),
    ("DPM fast", {"n": 10}, [0.403311857, -0.197383180, 0.077716574]),
    ("DPM fast", {"n": 11}, [0.340516675, -0.168784475, 0.066745744]),
    ("DPM fast", {"eta": 1.0, "n": 9}, [0.155665503, 0.003955083, -0.148935641]),
    ("DPM fast", {"eta": 1.0, "n": 10}, [0.272638199, 0.043479308, -0.175372281]),
    ("DPM fast", {"eta": 1.0, "n": 11}, [0.232153754, 0.037363093, -0.150119611]),
    ("DPM adaptive", {}, [0.348374623, -0.169948971, 0.066940277]),
    ("DPM adaptive", {"eta": 1.0}, [-0.122145325, -0.076682405, 0.090077990]),
    ("DPM adaptive", {"order": 2}, [0.328358907, -0.162495608, 0.064350803]),
]  # fmt: skip


class Waves:
    """Noise that is easily made again: draw j is the sine of j, j + 1, j + 2."""

    def __init__(self):
        self.draws = 0

    def __call__(self, sigma, sigma_next):
        self.draws += 1
        return torch.sin(self.draws + torch.arange(3, dtype=torch.float64)).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(("sampler", "options", "expected"), RECORDED)
def test_the_same_numbers_come_out_as_of_k_diffusion(sampler, options, expected):
    options = dict(options)
    sigmas = falling(options.pop("n", 10), 0.03)
    x = torch.tensor([10.0, -4.0, 1.5], dtype=torch.float64).reshape(1, 3, 1, 1)
    steps = list(SAMPLERS[sampler](bent, x, sigmas, Waves(), **options))
    # k-diffusion's own-paced samplers stop before the last bit of noise is gone
    last = steps[-2] if sampler.startswith("DPM ") else steps[-1]
    assert last.x.flatten().tolist() == pytest.approx(expected, abs=1e-8)

"""Samplers: one file each, one line each in SAMPLERS.

A sampler is a generator: it walks the sigmas down and yields a Step for each, ending at a clean
latent. It keeps no state between runs and knows nothing of models or prompts. With k past steps it
goes on at step k, exactly as if it had made them.
"""

from collections.abc import Mapping

from webui.engine.samplers.dpmpp_2m import dpmpp_2m
from webui.engine.samplers.euler import euler
from webui.engine.samplers.euler_ancestral import euler_ancestral
from webui.interfaces import Sampler

SAMPLERS: Mapping[str, Sampler] = {
    "Euler": euler,
    "Euler a": euler_ancestral,
    "DPM++ 2M": dpmpp_2m,
}

# What "Automatic" means for a sampler, where it is not Uniform; A1111's choice.
AUTOMATIC: Mapping[str, str] = {"DPM++ 2M": "Karras"}

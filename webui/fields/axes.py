"""The fields that are axes of plots, and what they are called there.

Labels are A1111's where it has the axis, so that its metadata and its programs' calls are
understood.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from webui.fields.kinds import AnyField

_LABELS: Mapping[str, str] = {  # A1111's
    "seed": "Seed",
    "variation.seed": "Var. seed",
    "variation.strength": "Var. strength",
    "guidance_scale": "CFG Scale",
    "steps": "Steps",
    "hires.steps": "Hires steps",
    "sampler": "Sampler",
    "hires.sampler": "Hires sampler",
    "model": "Checkpoint name",
    "vae": "VAE",
    "sampling.s_churn": "Sigma Churn",
    "sampling.s_tmin": "Sigma min",
    "sampling.s_tmax": "Sigma max",
    "sampling.s_noise": "Sigma noise",
    "schedule": "Schedule type",
    "init.noise_multiplier": "Initial noise multiplier",
    "rng": "RNG source",
    "hires.strength": "Hires denoising strength",
    "hires.width": "Hires width",
    "hires.height": "Hires height",
}
FIRST_AXES = (
    "seed",
    "steps",
    "guidance_scale",
    "sampler",
    "schedule",
    "model",
    "vae",
)  # as they are offered
_NOT = ("images", "batch_size")  # how many pictures a cell has is no axis


def axes_of(fields: Sequence[AnyField]) -> Mapping[str, str]:
    """name -> label, of those that are axes."""
    return MappingProxyType(
        {
            each.name: _LABELS.get(each.name) or each.metadata or each.label
            for each in fields
            if each.name not in _NOT and not each.name.startswith("upscale.")
        }
    )

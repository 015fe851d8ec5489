"""Which key of A1111's text stands for which field: one table, used by the writer and the reader.

A field's key is the `metadata` of its declaration; what stands here are the exceptions. Those of
pictures are in `images`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from webui.fields import FIELDS, OWN_SIGMAS, AnyField
from webui.metadata import images

DECLARED: Mapping[str, AnyField] = MappingProxyType(
    {
        **{name: each for name, each in FIELDS.items() if name not in images.DECLARED},
        OWN_SIGMAS.name: OWN_SIGMAS,
    }
)

FIRST = ("steps", "sampler", "schedule", "guidance_scale", "seed")  # as A1111 orders them
ALWAYS = (*FIRST, "model", "width", "height")  # a text without their key leaves the form as it is
SIZES: Mapping[str, tuple[str, str]] = {  # "512x768"
    "Size": ("width", "height"),
    "Seed resize from": ("seed_resize.width", "seed_resize.height"),
}
_OF_SAMPLERS = {  # A1111 has names of its own for these
    ("DDIM", "sampling.eta"): "Eta DDIM",
    ("DDIM CFG++", "sampling.eta"): "Eta DDIM",
    ("UniPC", "sampling.order"): "UniPC order",
    ("UniPC", "sampling.solver_type"): "UniPC variant",
}
# what A1111 means where it writes nothing, other than our default: the noise of its graphics card
UNSAID: Mapping[str, str] = {"rng": "nv"}
SAID = {  # A1111's spelling of a choice
    "rng": {"cpu": "CPU"},
    "emphasis": {
        "original": "Original",
        "no norm": "No norm",
        "ignore": "Ignore",
        "none": "None",
    },
}
ALSO = {"rng": {"gpu": "nv"}}  # what A1111 has besides, in small letters

OTHER_NAMES: Mapping[str, str] = {  # SD.Next's key -> A1111's
    "Variation strength": "Variation seed strength",
    "Sampler sigma": "Schedule type",
    "Sampler order": "Solver order",
}


def key(field: str, sampler: str) -> str | None:
    """What the field is called in a text of that sampler; None if it has no place in it."""
    return _OF_SAMPLERS.get((sampler, field)) or DECLARED[field].metadata


def fields(sampler: str) -> Mapping[str, str]:
    """key -> field, in a text of that sampler; without the prompts and sizes."""
    named = {name: key(name, sampler) for name in DECLARED if name != "negative_prompt"}
    return {known: name for name, known in named.items() if known}


def of_other_samplers(sampler: str) -> Mapping[str, str]:
    """key -> the sampler that it belongs to, for the keys that this sampler does not know."""
    mine = fields(sampler)
    owners = {known: owner for (owner, _), known in reversed(_OF_SAMPLERS.items())}
    return {known: owner for known, owner in owners.items() if known not in mine}

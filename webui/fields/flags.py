"""The command line's side of the declarations: which fields are flags, and what they are called.

"init.mask.blur" is `--mask-blur`, "sampling.eta" `--eta`, "hires.on" `--hires`. Only the standard
library is needed, so that `launch.py` can show them under a bare Python.
"""

from collections.abc import Mapping
from types import MappingProxyType

from webui.fields.forms import FORM, FormField
from webui.fields.generation import GENERATION, STOP_AT
from webui.fields.images import IMAGES
from webui.fields.kinds import TextField
from webui.fields.sampling import NOISE, SAMPLING, SCHEDULING

HIRES_PICTURE = TextField(
    name="hires.picture",
    label="First pass",
    help="A finished picture that only the second pass is made of.",
)
# fields that hold a picture: on the command line a file, or the sha256 of one sent before
PICTURES = ("init.picture", "init.mask.picture", "hires.picture", "upscale.picture")
_WAYS = ("init.mode", "size.mode", "size.scale", "upscale.mode")  # that a form says a thing in
_SHORT = {
    "init.picture": "init",
    "init.mask.picture": "mask",
    "upscale.picture": "upscale",
    "schedule_options.sigmas": "sigmas",
}
_PLAIN = ("init", "sampling", "schedule_options")  # parts whose name a flag does without


def _flags() -> Mapping[str, FormField]:
    own = [field for name, field in FORM.items() if name not in _WAYS]
    declared = (*GENERATION, *SAMPLING, *SCHEDULING, *NOISE, STOP_AT, *IMAGES, HIRES_PICTURE)
    found = {field.name: field for field in declared} | {field.name: field for field in own}
    return MappingProxyType({name: found[name] for name in sorted(found, key=_place)})


def flag_of(name: str) -> str:
    """A field's flag: "guidance_scale" is "--guidance-scale"."""
    short = _SHORT.get(name)
    if short is None:
        first, _, rest = name.removesuffix(".on").partition(".")
        short = rest if rest and first in _PLAIN else name.removesuffix(".on")
    return "--" + short.replace(".", "-").replace("_", "-")


def group_of(name: str) -> str:
    """Under which title the field stands in the help."""
    parts = name.split(".")
    two = ".".join(parts[:2])
    return next((title for part, title in _TITLES.items() if part in (two, parts[0])), "picture")


_TITLES = {
    "init.mask": "inpainting",
    "init.outpaint": "outpainting",
    "init.tiles": "SD upscale",
    "init.loopback": "loopback",
    "init": "picture to begin with",
    "hires": "second pass",
    "upscale": "making a picture larger",
    "sampling": "sampler and schedule details",
    "schedule_options": "sampler and schedule details",
    "variation": "noise",
    "seed_resize": "noise",
}


def _place(name: str) -> tuple[int, bool]:
    """In the help: by title; a part's picture or switch first."""
    titles = ("picture", *dict.fromkeys(_TITLES.values()))
    order = ("picture", "sampler and schedule details", "noise", "picture to begin with")
    ranked = (*order, *(title for title in titles if title not in order))
    leads = name.endswith((".picture", ".on")) and name.count(".") <= 2
    return ranked.index(group_of(name)), not leads


FLAGS: Mapping[str, FormField] = _flags()

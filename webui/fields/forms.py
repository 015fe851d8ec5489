"""What forms have besides the fields that are declared for every request.

Pictures and switches, which a request has in another shape, and second ways to say a size.
"""

from collections.abc import Mapping
from types import MappingProxyType

from webui.fields.generation import BATCH_COUNT
from webui.fields.kinds import AnyField, ChoiceField, FlagField, NumberField, TextField
from webui.fields.sampling import OWN_SIGMAS

FormField = AnyField | FlagField

_FIELDS: tuple[FormField, ...] = (
    BATCH_COUNT,
    OWN_SIGMAS,
    TextField(name="init.picture", label="Picture", help="The picture to begin with."),
    FlagField(
        name="init.exact_steps",
        label="Exactly these steps",
        help="Makes all sampling steps; otherwise only the strength's share of them.",
    ),
    ChoiceField(
        name="init.mode",
        label="What is made",
        help="The masked part anew; more of the picture around it; or the picture with what is "
        "painted over it.",
        default="inpaint",
        choices=("inpaint", "outpaint", "sketch"),
    ),
    TextField(name="init.mask.picture", label="Mask", help="White is made anew, black is kept."),
    FlagField(
        name="init.mask.inverted",
        label="Inpaint what is not masked",
        help="Turns the mask round: what is painted over is kept, the rest is made anew.",
    ),
    FlagField(
        name="init.mask.soft",
        label="Soft inpainting",
        help="Where the mask is grey, at its blurred edge, the picture changes less and later; "
        "seams are gentler.",
    ),
    FlagField(
        name="init.loopback.on",
        label="Loopback",
        help="The result is made anew, again and again.",
    ),
    FlagField(
        name="init.tiles.on",
        label="SD upscale",
        help="The picture is made larger, then made anew tile by tile; a tile has the size above.",
    ),
    ChoiceField(
        name="size.mode",
        label="Size",
        help="How the size of the result is said.",
        default="to size",
        choices=("to size", "by factor"),
    ),
    NumberField(
        name="size.scale",
        label="Factor",
        default=1.0,
        minimum=0.05,
        maximum=4.0,
        step=0.05,
        help="The result's size as a multiple of the picture's.",
    ),
    FlagField(
        name="hires.on",
        label="Hires. fix",
        help="A second pass makes the finished picture anew at a larger size.",
    ),
    TextField(name="upscale.picture", label="Picture", help="The picture to make larger."),
    ChoiceField(
        name="upscale.mode",
        label="Size",
        help="How the size of the result is said.",
        default="by factor",
        choices=("by factor", "to size"),
    ),
    FlagField(
        name="upscale.crop",
        label="Crop to fit",
        help="Where both sides are given the picture is cut to their shape, not fitted into them.",
    ),
)

FORM: Mapping[str, FormField] = MappingProxyType({field.name: field for field in _FIELDS})

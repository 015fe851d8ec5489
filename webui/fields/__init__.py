"""The one declaration of every form field: name, label, range, default, help.

The page, the API, the metadata text, the plots and the docs all read these. A field knows neither
where it is shown nor what it does to the picture.
"""

from collections.abc import Mapping
from types import MappingProxyType

from webui.fields.axes import FIRST_AXES, axes_of
from webui.fields.forms import FORM, FormField
from webui.fields.generation import (
    AUTOMATIC_VAE,
    BATCH_COUNT,
    GENERATION,
    MAX_BATCH_COUNT,
    MAX_BATCH_SIZE,
    OWN_VAE,
    RESUME,
    STOP_AT,
)
from webui.fields.images import IMAGES
from webui.fields.kinds import (
    RANDOM_SEED,
    AnyField,
    ChoiceField,
    Field,
    FlagField,
    IntegerField,
    NumberField,
    SeedField,
    TextField,
    shown,
)
from webui.fields.sampling import NOISE, OWN_SIGMAS, SAMPLING, SCHEDULING

__all__ = [
    "AUTOMATIC_VAE",
    "AXES",
    "BATCH_COUNT",
    "FIELDS",
    "FIRST_AXES",
    "FORM",
    "MAX_BATCH_COUNT",
    "MAX_BATCH_SIZE",
    "OWN_SIGMAS",
    "OWN_VAE",
    "RANDOM_SEED",
    "RESUME",
    "STOP_AT",
    "AnyField",
    "ChoiceField",
    "Field",
    "FlagField",
    "FormField",
    "IntegerField",
    "NumberField",
    "SeedField",
    "TextField",
    "shown",
]

FIELDS: Mapping[str, AnyField] = MappingProxyType(
    {field.name: field for field in (*GENERATION, *SAMPLING, *SCHEDULING, *NOISE, *IMAGES)}
)
AXES = axes_of(tuple(FIELDS.values()))  # name -> label in plots

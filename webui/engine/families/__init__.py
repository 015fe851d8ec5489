"""Model families: one file each, one line each in FAMILIES. Nothing else asks which it is."""

from collections.abc import Mapping

from webui.engine.families.refiner import StableDiffusionXLRefiner
from webui.engine.families.sd1 import StableDiffusion1
from webui.engine.families.sd2 import StableDiffusion2
from webui.engine.families.sd3 import StableDiffusion3
from webui.engine.families.sdxl import StableDiffusionXL
from webui.interfaces import Family

FAMILIES: Mapping[str, Family] = {  # by the name that the library calls it
    "sd1": StableDiffusion1(),
    "sd2": StableDiffusion2(),
    "sdxl": StableDiffusionXL(),
    "refiner": StableDiffusionXLRefiner(),
    "sd3": StableDiffusion3(),
}

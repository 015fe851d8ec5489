"""Model families: one file each, one line each in FAMILIES. Nothing else asks which it is."""

from collections.abc import Mapping

from webui.engine.families.sd1 import StableDiffusion1
from webui.interfaces import Family

FAMILIES: Mapping[str, Family] = {"sd1": StableDiffusion1()}

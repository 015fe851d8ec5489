"""models/ on disk: what is there, what of it can be used, and the hashes of the weights.

A model is a folder in diffusers layout or one safetensors file. Whatever is in it may have come
from anywhere: it is read with limits, and a broken one is listed with its problem and breaks
nothing else. Knows no torch: what a checkpoint is, its header says.
"""

from webui.library.catalogue import PREFERRED, Library
from webui.library.entries import ENCODERS, ModelEntry, Report, VaeEntry
from webui.library.memory import (
    OFFLOADS,
    Offload,
    OffloadChoice,
    Place,
    Plan,
    fits,
    needed,
    plan,
    plan_of,
)
from webui.library.single_file import separate_vae_config
from webui.library.tiny_decoders import TinyDecoder

__all__ = [
    "ENCODERS",
    "OFFLOADS",
    "PREFERRED",
    "Library",
    "ModelEntry",
    "Offload",
    "OffloadChoice",
    "Place",
    "Plan",
    "Report",
    "TinyDecoder",
    "VaeEntry",
    "fits",
    "needed",
    "plan",
    "plan_of",
    "separate_vae_config",
]

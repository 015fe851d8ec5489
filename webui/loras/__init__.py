"""LoRA files on disk: which there are, and what their headers say of them. No torch.

A file is one LoRA (or LoCon, LoHa, LoKr: other ways to write a change of weights small), and a
prompt calls it by its name. Only headers are read here; whatever is in them may have come from
anywhere, so a wrong file is listed with its problem and breaks nothing else.
"""

from webui.loras.catalogue import Loras, check
from webui.loras.entries import FAMILIES, LoraEntry
from webui.loras.keys import Change, Target, changes

__all__ = ["FAMILIES", "Change", "LoraEntry", "Loras", "Target", "changes", "check"]

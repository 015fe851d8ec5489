"""LoRAs in a model: changes that are added to what its modules give, never to their weights.

A weight that is not written cannot come back wrong: after a picture, an error or a stop the model
is what it was, and another strength from one step to the next costs nothing.
"""

from webui.engine.lora.adapters import Adapters, Strengths, Worn, unadapted

__all__ = ["Adapters", "Strengths", "Worn", "unadapted"]

"""What the page, the API and the docs say of the samplers and schedules that ship.

The functions are the engine's, met by name; a test compares what both sides say. Names and aliases
are A1111's and its clients'.
"""

from webui.sampler_table.samplers import SAMPLER_INFOS
from webui.sampler_table.schedules import SCHEDULE_INFOS

__all__ = ["SAMPLER_INFOS", "SCHEDULE_INFOS"]

"""The engine as seen from the server: run, call, restart.

Knows neither torch nor what a job is: requests go in, events come out.
"""

from webui.backend.process import EngineProcess
from webui.backend.verbs import Backend, EngineState

__all__ = ["Backend", "EngineProcess", "EngineState"]

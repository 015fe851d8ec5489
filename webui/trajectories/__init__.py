"""The kept runs: every step's latents on disk, one picture's steps out of them, their quota."""

from webui.trajectories.branching import (
    SAMPLING,
    KeptTurn,
    before,
    digest,
    inherited,
    kept_steps,
    of_one,
)
from webui.trajectories.change import SETTLED, changes, needed
from webui.trajectories.files import (
    Header,
    KeptStep,
    Spool,
    count_kept,
    finished_path,
    read_finished,
    read_header,
    read_spool,
    read_step,
    spool_path,
    turns_kept,
)
from webui.trajectories.guidance import guided_steps, keep_guidance, read_guidance
from webui.trajectories.quota import Trajectories

__all__ = [
    "SAMPLING",
    "SETTLED",
    "Header",
    "KeptStep",
    "KeptTurn",
    "Spool",
    "Trajectories",
    "before",
    "changes",
    "count_kept",
    "digest",
    "finished_path",
    "guided_steps",
    "inherited",
    "keep_guidance",
    "kept_steps",
    "needed",
    "of_one",
    "read_finished",
    "read_guidance",
    "read_header",
    "read_spool",
    "read_step",
    "spool_path",
    "turns_kept",
]

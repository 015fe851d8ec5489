"""What happens while a job runs.

The engine yields Stage, Step, Preview, Skipped, Warned and Rendered; the job line adds Queued,
Held, Edited, Started, Resumed, Saved (for each Rendered) and Finished, which is always sent, and
last unless an interrupted job is resumed. Pictures are plain bytes: nothing above the engine needs
torch.
"""

from dataclasses import dataclass
from typing import Literal

from webui.errors import Failure
from webui.request import GenerationRequest

PreviewKind = Literal["noisy", "predicted"]
# what a kept step may be looked at as; prompted and unprompted where guidance was recorded
ViewKind = Literal["noisy", "predicted", "prompted", "unprompted"]
Outcome = Literal["done", "stopped", "cancelled", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Look:
    """How one kept step is to be looked at."""

    batch: int  # 0-based
    step: int  # 1-based
    kind: ViewKind
    method: str  # preview method
    position: int | None = None  # of one picture in the batch; None: all of them side by side
    turn: int = 0  # 0-based


@dataclass(frozen=True, slots=True)
class Picture:
    """8-bit RGB, row by row from the top left: `len(rgb) == 3 * width * height`.

    `alpha` is as long as there are pixels, or empty where none is transparent.
    """

    width: int  # pixels
    height: int  # pixels
    rgb: bytes
    alpha: bytes = b""


@dataclass(frozen=True, slots=True)
class Queued:
    ahead: int  # jobs that run before this one


@dataclass(frozen=True, slots=True)
class Held:
    """A waiting job is held back; Queued says when it is let go."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A waiting job has another request now."""

    fields: tuple[str, ...]  # of the request, that changed


@dataclass(frozen=True, slots=True)
class Started:
    batches: int
    steps: int  # of each batch, all turns together


@dataclass(frozen=True, slots=True)
class Resumed:
    """Engine or server died; the job goes on after the last step that was kept."""

    batch: int  # 0-based
    step: int  # the last kept step, of all turns together; 0 if the batch begins again


@dataclass(frozen=True, slots=True)
class Stage:
    """What the engine is about to do."""

    name: str  # "loading model", "encoding prompt", "encoding picture", "sampling", "decoding" ...
    done: int = 0  # tiles that are finished, where it is done in tiles
    of: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step is finished and kept in the trajectory.

    A batch may be sampled several times, for a second pass, loops, tiles: each is a turn.
    """

    batch: int  # 0-based
    step: int  # 1-based, of its turn
    steps: int  # of its turn; for a sampler with its own step control a guess that gets better
    sigma: float  # the noise level left after it, latent units
    seconds: float  # it took
    turn: int = 0  # 0-based, of the batch
    turns: int = 1  # of the batch, in all


@dataclass(frozen=True, slots=True)
class Preview:
    """What a step looks like; the images of a batch stand side by side in one picture."""

    batch: int  # 0-based
    step: int  # 1-based
    kind: PreviewKind
    method: str  # name of the preview that drew it, "fast" or "vae"
    picture: Picture
    turn: int = 0  # 0-based


@dataclass(frozen=True, slots=True)
class Skipped:
    """The pictures of a batch that were not finished are left out; the job goes on."""

    batch: int  # 0-based
    step: int  # the last one that was made
    turn: int = 0  # in which


@dataclass(frozen=True, slots=True)
class Warned:
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    image: int  # 0-based
    picture: Picture
    request: GenerationRequest  # the one-image request that makes exactly this picture
    seconds: float  # from the start of its batch
    peak_memory: int  # bytes the device (on a CPU: the engine process) held at most
    notes: tuple[str, ...] = ()  # what the picture's metadata must say, "VAE decoded in tiles"


@dataclass(frozen=True, slots=True)
class Saved:
    image: int  # 0-based; -1 for the grid of all
    path: str  # relative to the output folder, with forward slashes
    request: GenerationRequest
    seconds: float
    peak_memory: int  # bytes
    width: int  # pixels, of the file
    height: int


@dataclass(frozen=True, slots=True)
class Finished:
    outcome: Outcome
    error: Failure | None = None


EngineEvent = Stage | Step | Preview | Skipped | Warned | Rendered
Event = EngineEvent | Queued | Held | Edited | Started | Resumed | Saved | Finished

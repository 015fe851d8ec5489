"""What the native API answers of jobs, the line, and events.

What begins with _ is a base of others, and no schema itself.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from webui.api.openapi.lists import Engine, PreviewsNow
from webui.api.openapi.request import KEPT, POINTS
from webui.jobs.states import State

Whole = Field(ge=0)
Seconds = float


class ErrorDetail(BaseModel):
    kind: str = Field(description="What kind of error, by its name.", examples=["InvalidRequest"])
    text: str = Field(description="What is wrong and what would work.")
    field: str | None = Field(description="The field of the request that is to blame.")


class Error(BaseModel):
    """Every error there is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "kind": "InvalidRequest",
                        "text": "must be from 64 to 2048 and a multiple of 8, got 500; try 504",
                        "field": "width",
                    }
                }
            ]
        }
    )
    error: ErrorDetail


class SavedPicture(BaseModel):
    image: int = Field(ge=-1, description="0-based; -1 is the grid of all.")
    path: str = Field(description="In the output folder.")
    url: str = Field(description="Relative to the server's address.")
    width: int
    height: int
    seconds: Seconds = Field(description="From the start of its batch.")
    peak_memory: int = Field(description="Bytes.")
    recipe: str = Field(description="A1111's parameters text, as it stands in the file.")
    seed: int


class Job(BaseModel):
    """A job as it is now. Times are Unix seconds."""

    id: str
    owner: str
    state: State
    request: dict[str, Any] = Field(json_schema_extra={POINTS: KEPT})
    ahead: int = Field(description="Jobs that run before it.")
    created: float
    started: float | None
    finished: float | None
    attempts: int
    crashes: int
    error: ErrorDetail | None
    batches: int
    steps: int
    skipped: list[int] = Field(description="Images (0-based) that were left out as asked.")
    retry_of: str | None
    dropped: bool = Field(description="Taken off the list.")
    kept: bool = Field(
        description="Its pictures stay; false while a program waits for them that wants no "
        "file kept, and once it has them."
    )
    pictures: list[SavedPicture]


class NewJobs(Job):
    others: list[str] | None = Field(
        None, description="Ids of further jobs, where an extension made several of one request."
    )


class Jobs(BaseModel):
    jobs: list[Job]


class Completed(BaseModel):
    request: dict[str, Any] = Field(json_schema_extra={POINTS: KEPT})


class _Row(BaseModel):
    id: str
    owner: str
    state: State
    recipe: str
    images: int
    created: float
    started: float | None
    retry_of: str | None
    begun: bool
    picture: str | None
    input: str | None


class Running(_Row):
    """The running job in a line, and how far it is."""

    batch: int
    batches: int
    step: int
    steps: int
    share: float = Field(description="From 0 to 1, of the whole job.")
    left: Seconds | None
    frame: str | None = Field(description="The newest preview's address.")


class Waiting(_Row):
    position: int
    wait: Seconds | None
    takes: Seconds | None


class Ended(_Row):
    finished: float | None
    error: str | None
    made: int
    batch: int
    step: int


class Queue(BaseModel):
    """A page of the line, at one moment."""

    paused: bool
    reason: str | None = Field(description="Why it paused itself.")
    running: Running | None
    total: int
    limit: int
    ends: Seconds | None
    waiting: list[Waiting]
    cursor: str | None = Field(description="For the next page.")
    ended: list[Ended] = Field(default=[], description="With ?ended=N.")
    cancelled: int = Field(default=0, description="Of POST /queue/clear.")


class JobEvent(BaseModel):
    """Something that happened; besides these what its type has in `webui/events.py`."""

    model_config = ConfigDict(extra="allow")
    seq: int = Field(ge=1, description="The job's number of it, from 1.")
    type: Literal[
        "Queued", "Held", "Edited", "Started", "Resumed", "Stage", "Step", "Preview", "Skipped",
        "Warned", "Rendered", "Saved", "Finished",
    ]  # fmt: skip


class Newest(BaseModel):
    id: str
    state: State


class Live(BaseModel):
    """All that may have changed since the number that one has."""

    server: str
    engine: Engine
    waiting: int
    running: str | None
    previews: PreviewsNow
    paused: bool
    interrupted: int
    notices: list[str]
    mine: Newest | None
    wait: Seconds | None
    queue: Queue | None
    job: Job | None
    pictures: int = Field(description="Were left out, because the caller has them.")
    events: list[JobEvent]
    last: int


class KeptStepView(BaseModel):
    step: int = Field(ge=1)
    sigma: float
    seconds: float
    change: float | None
    inherited: bool
    guided: bool


class Trajectory(BaseModel):
    """The kept steps of a picture."""

    job: str
    image: int
    batch: int
    turn: int
    position: int
    alone: bool
    sigma: float
    whole: bool
    steps: list[KeptStepView]
    suggested: int | None
    turns: Any = Field(description="What is kept of each turn of the batch.")


class Health(BaseModel):
    version: str
    server: str = Field(description="Of this start.")
    engine: Engine
    waiting: int
    running: str | None
    free_bytes: int | None
    notices: list[str]

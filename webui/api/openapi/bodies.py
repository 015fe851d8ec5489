"""What is sent to the native API, as JSON."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from webui.api.openapi.request import EXAMPLE, POINTS, SENT
from webui.fields import STOP_AT

NewId = Annotated[
    str,
    Field(
        min_length=8, max_length=64, pattern="^[A-Za-z0-9_-]+$", examples=["fox-00001"],
        description="Chosen by the sender: sent again, the answer is the same job.",
    ),
]  # fmt: skip
Owner = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9_-]{0,64}$",
        description="Who asks; `GET /live?owner=` finds the newest of it.",
    ),
]
FirstId = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9_-]{6,60}$", examples=["fox-00001"],
        description="Chosen by the sender; the jobs are ID-0, ID-1 ... by picture.",
    ),
]  # fmt: skip
ModelName = Annotated[
    str | None, Field(description="A model's name; the one that ships where it is missing.")
]
Address = Annotated[
    str,
    Field(
        description="This server's, as its caller knows it; that of the call where it is missing.",
        examples=["http://127.0.0.1:7860"],
    ),
]  # fmt: skip
Count = Annotated[int, Field(ge=0, le=10**6)]
Sent = Annotated[dict[str, Any], WithJsonSchema({POINTS: SENT})]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewJob(Body):
    """A request for the end of the line."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"request": EXAMPLE, "id": "fox-00001"}]}
    )
    request: Sent
    id: NewId | None = None
    owner: Owner | None = None


class Changes(Body):
    """What is named changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request": {"steps": 30}}]})
    request: Sent = Field(default={})


class SkippedBatch(Body):
    batch: (
        Annotated[int, Field(ge=0, description="Only this one (0-based), if it runs.")] | None
    ) = None


class MoveTo(Body):
    """To an end of the line."""

    to: Literal["front", "back"]


class MoveBefore(Body):
    before: str = Field(description="The id of a job that waits.")


class MoveAfter(Body):
    after: str = Field(description="The id of a job that waits.")


class Copy(Body):
    """A new job with the request of another, some fields of it changed."""

    request: Sent = Field(default={})
    id: NewId | None = None
    owner: Owner | None = None


class Again(Body):
    id: NewId | None = None
    owner: Owner | None = None


class RequestAlone(Body):
    """A request to be looked at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request": EXAMPLE}]})
    request: Sent


class RequestAsText(Body):
    """A request as `POST /jobs` takes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request": EXAMPLE}]})
    request: Sent
    address: Address | None = None


class JobAsText(Body):
    """A job's request, or that of one of its pictures alone."""

    job: str
    image: int = Field(default=-1, ge=-1, description="0-based; -1 is the whole job.")
    address: Address | None = None


class NewBranch(Body):
    """A job that goes on after a kept step of a picture."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"step": 8, "changes": {"prompt": "a blue fox"}}]}
    )
    image: Count = Field(default=0, description="The picture, 0-based.")
    step: Annotated[int, Field(ge=0, le=10**6, description="The last step taken over, 1-based.")]
    turn: Count = Field(default=0, description="Of its batch, 0-based.")
    changes: dict[str, Any] = Field(default={}, description="Fields of the request that differ.")
    id: NewId | None = None
    owner: Owner | None = None


class NewTriage(Body):
    """Pictures as they are predicted after a share of their steps."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"request": {**EXAMPLE, "images": 4}, "share": 0.3}]}
    )
    request: Sent = Field(default={})
    share: float = Field(default=0.3, ge=STOP_AT.minimum, le=STOP_AT.maximum)
    id: NewId | None = None
    owner: Owner | None = None


class Finish(Body):
    """The pictures of a triage that are to be made to their ends, one job each."""

    images: list[Count] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    id: FirstId | None = None
    owner: Owner | None = None


class NewExport(Body):
    image: Count = 0
    turn: Count = 0
    format: Literal["mp4", "webp", "gif", "sheet"] = "mp4"
    view: Literal["predicted", "noisy", "both", "guidance"] = "predicted"
    method: str = Field(default="fast", description="A preview method: fast, vae.")
    rate: float = Field(default=8.0, ge=0.5, le=60, description="Steps a second.")
    size: int = Field(default=512, ge=64, le=1024, description="Pixels, of the longer side.")


class InputCopy(Body):
    """A picture that this server saved."""

    job: str
    image: int = Field(default=0, ge=-1, description="0-based; -1 is the grid.")


class SeenBody(Body):
    init: dict[str, JsonValue] = Field(description="As in a request.")
    width: int | None = None
    height: int | None = None
    model: ModelName = None


class PromptLook(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a (red:1.2) fox", "steps": 20}]}
    )
    prompt: str | None = Field(default="", max_length=100_000)
    negative_prompt: str | None = Field(default="", max_length=100_000)
    model: ModelName = None
    steps: int = Field(default=20, ge=1, le=150)
    emphasis: Literal["original", "no norm", "ignore", "none"] | None = "original"


class NewEmbedding(Body):
    """A text whose tokens, mixes among them, become a file of that name."""

    name: str = Field(pattern="^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")
    text: str = Field(max_length=2000)
    model: ModelName = None


class Previews(Body):
    """What is not given stays."""

    noisy: str | None = Field(default=None, min_length=1, max_length=64)
    predicted: str | None = Field(default=None, min_length=1, max_length=64)
    every: int = Field(default=1, ge=1, le=150, description="Draws each so many steps.")
    guidance: bool = Field(default=False, description="Keeps what is asked of the model apart.")


class Dismissed(Body):
    text: str | None = Field(default=None, description="One notice; all of them without it.")


class RecipeText(Body):
    """A text as A1111 writes it beside a picture."""

    text: str = Field(max_length=2**20)


class Load(Body):
    model: str


class Unload(Body):
    model: str | None = Field(default=None, description="One of those in memory; else all.")

"""What is sent to `/downloads`, and what it answers."""

from pydantic import BaseModel, ConfigDict, Field

from webui.api.openapi.bodies import Body
from webui.downloads import KINDS
from webui.downloads.records import State


class Wish(Body):
    """What is to be fetched; what is missing or empty is left to the server."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": "stabilityai/sdxl-vae"}]})
    source: str = Field(
        min_length=1,
        max_length=4096,
        description="owner/name on the hub, a page of it, or the https address of a "
        ".safetensors file.",
    )
    revision: str | None = Field(default="", description="A branch, a tag or a commit; main.")
    commit: str | None = Field(
        default="", description="Of an earlier look: another one by now is refused."
    )
    choice: str | None = Field(default="", description="One of the look's `choices`.")
    kind: str | None = Field(default="", description=f"One of {', '.join(KINDS)}.")
    name: str | None = Field(default="", description="What it is to be called here.")
    sha256: str | None = Field(default="", description="Of a file that is not the hub's.")


class Licence(BaseModel):
    name: str = Field(description='"": it does not say.')
    link: str


class DownloadFile(BaseModel):
    name: str
    target: str = Field(description="Relative to where it goes.")
    size_bytes: int


class LookedFile(DownloadFile):
    sha256: str | None


class Choice(BaseModel):
    choice: str
    label: str = Field(description="For people.")
    folder: bool = Field(description="A whole folder of files.")
    size_bytes: int
    problem: str | None = Field(description="Why it is not to be had.")


class RefusedFile(BaseModel):
    name: str
    reason: str


class Problem(BaseModel):
    """What has to be solved before it can be fetched."""

    field: str
    text: str


class WishOfLook(BaseModel):
    """A body that has just this."""

    source: str
    revision: str
    commit: str
    choice: str
    kind: str
    name: str
    sha256: str


class Look(BaseModel):
    """What would be fetched."""

    source: str
    hub: bool = Field(description="Or else an address of its own.")
    revision: str | None
    commit: str | None
    page: str | None = Field(description="For people.")
    licence: Licence
    gated: bool
    choices: list[Choice]
    refused: list[RefusedFile]
    choice: str | None
    kind: str | None
    guess: str | None = Field(description="What the file says it is, for people.")
    folder: str | None
    free_bytes: int
    name: str | None
    target: str | None
    files: list[LookedFile]
    size_bytes: int
    warnings: list[str]
    problems: list[Problem]
    wish: WishOfLook | None = Field(description="What to send to `POST /downloads` then.")


class Download(BaseModel):
    """A download as it is now. Times are Unix seconds."""

    id: str
    state: State
    error: str | None = Field(description="Why it failed, or what is in its way just now.")
    source: str
    revision: str | None
    page: str | None
    licence: Licence
    kind: str
    folder: str
    name: str
    files: list[DownloadFile]
    size_bytes: int
    done_bytes: int
    bytes_per_second: int
    seconds_left: int | None
    created: float
    finished: float | None


class KindOfFile(BaseModel):
    """Where files of a kind go."""

    kind: str
    label: str = Field(description="For people.")
    folder: str
    free_bytes: int


class Downloads(BaseModel):
    allowed: bool
    reason: str | None = Field(description="Why nothing may be fetched.")
    hub: str
    token: bool = Field(description="Whether the server has one for the hub.")
    kinds: list[KindOfFile]
    downloads: list[Download] = Field(description="The newest last.")


class Removed(BaseModel):
    removed: str = Field(description="Its id.")

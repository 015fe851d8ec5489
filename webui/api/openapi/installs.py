"""What is sent to install extensions, and what is answered."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from webui.api.openapi.bodies import Body
from webui.api.openapi.extensions import Installed


class NewInstall(Body):
    """Either a source, or the id of an installed extension that may have something new."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source": "/home/me/shout"}]})
    source: str | None = Field(
        default="",
        max_length=500,
        description="https://host/owner/name of a git repository, or a folder of the server's "
        "computer; ssh:// and file:// where --extension-sources has them.",
    )
    revision: str | None = Field(
        default="", max_length=200, description="A branch, a tag or a whole commit."
    )
    extension: str | None = Field(default="", max_length=40, description="To update.")


class Consent(Body):
    packages: bool = Field(
        default=False, description="Its Python packages may be fetched, into its own folder."
    )


class CommitTold(BaseModel):
    id: str
    time: int = Field(description="Unix seconds.")
    author: str
    subject: str


class InstallLook(BaseModel):
    """What would be installed."""

    id: str
    name: str
    version: str
    description: str
    api: str = Field(description="The range of the interface that it was written for.")
    touches: list[str]
    processes: list[Literal["server", "engine"]] = Field(description="In which its code runs.")
    dependencies: list[str]
    packages: list[str] = Field(description="That would be fetched for it, by pip.")
    commit: CommitTold | None = Field(description="Null of a folder.")
    files: int
    size_bytes: int
    left_out: int = Field(description="Hidden and compiled files, which are not installed.")
    imports: list[str] = Field(description="What it imports that is no public name, in sentences.")
    problem: str = Field(description="Why it cannot be installed all the same.")
    replaces: Installed | None
    changes: list[CommitTold] | None = Field(
        description="Since what is installed, the newest first; null: not known."
    )


class InstallError(BaseModel):
    text: str
    field: str


class Install(BaseModel):
    id: str
    source: str
    revision: str
    extension: str = Field(description='Of which it is to be a new version; "": none.')
    state: Literal["looking", "seen", "installing", "done", "failed"]
    stage: str = Field(description="fetching, reading, resolving, packages, placing, waiting.")
    bytes: int = Field(description="Of that stage.")
    look: InstallLook | None
    error: InstallError | None


class InstallList(BaseModel):
    allowed: bool
    reason: str | None = Field(description="Why nothing may be installed.")
    sources: list[Literal["https", "folder", "ssh", "file"]]
    git: bool = Field(description="Whether git is there; folders need none.")
    installs: list[Install] = Field(description="The newest last.")


class RolledBack(BaseModel):
    rolled_back: str


class IndexEntry(BaseModel):
    id: str
    name: str
    description: str
    source: str = Field(description='"": it ships.')


class IndexList(BaseModel):
    address: str = Field(description='"": the index that ships.')
    problem: str
    fetched: float | None = Field(description="Unix seconds; null: it ships, or is not here yet.")
    extensions: list[IndexEntry]

"""The extensions, as the API says them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MishapTold(BaseModel):
    """What went wrong in an extension."""

    owner: str = Field(description="The extension's id.")
    hook: str = Field(description="In words: denoiser wrapper.")
    text: str
    trace: str = Field(description="The traceback; may be empty.")


class HookUse(BaseModel):
    seconds: float
    calls: int


class Installed(BaseModel):
    source: str = Field(description="An address, or a folder of the server's computer.")
    revision: str = Field(description='The branch or tag that was asked for; "": the default.')
    commit: str = Field(description='"" of a folder.')
    version: str
    time: float = Field(description="Of the installation, Unix seconds.")
    packages: list[str] = Field(description="Python packages in a folder of its own.")


class Extension(BaseModel):
    id: str
    name: str
    version: str
    description: str
    touches: list[str] = Field(description="What it says that it changes.")
    origin: Literal["shipped", "installed"]
    folder: str
    state: Literal["on", "off", "refused", "safe mode", "switched off"] = Field(
        description="Refused: it did not come through its trial. Switched off: it failed too often."
    )
    enabled: bool = Field(description="Whether the next start has it.")
    pending: bool = Field(description="Whether the next start changes that.")
    problem: str = Field(description='"" where nothing is wrong.')
    mishap: MishapTold | None
    hooks: list[str] = Field(description="What it registered.")
    start_seconds: float
    seconds: float = Field(description="That its hooks took since the start.")
    uses: dict[str, HookUse] = Field(description="By hook.")
    imports: list[str] = Field(description="What it imports that is no public name, in sentences.")
    change: Literal["", "installed", "updated", "removed"] = Field(
        description="Since the start; the next start has it."
    )
    installed: Installed | None = Field(description="Where it is from; null: put there by hand.")
    before: Installed | None = Field(description="What it can be rolled back to.")


class Extensions(BaseModel):
    extensions: list[Extension]
    safe_mode: bool
    can_restart: bool = Field(description="Whether POST /restart can be asked.")


class Turned(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool


class Restarting(BaseModel):
    restarting: Literal[True]


class SettingTold(BaseModel):
    name: str
    label: str
    help: str
    kind: Literal["flag", "choice", "integer", "number", "text"]
    default: bool | int | float | str
    value: bool | int | float | str
    choices: list[str] | None = Field(None, description="Of a choice.")
    minimum: float | None = Field(None, description="Of a number.")
    maximum: float | None = Field(None, description="Of a number.")


class SettingsPageTold(BaseModel):
    title: str
    help: str
    fields: list[SettingTold]


class OwnSettings(BaseModel):
    """What is set once for an extension."""

    pages: list[SettingsPageTold]
    values: dict[str, bool | int | float | str]


class OwnValues(BaseModel):
    """Values by the names of the extension's settings."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, bool | int | float | str]

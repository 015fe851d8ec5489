"""What the server answers, by its shape; each is the JSON as it came, which may hold more."""

from typing import Any, TypedDict


class Model(TypedDict):
    name: str
    family: str
    width: int  # pixels it was trained at
    height: int
    problem: str | None  # why it cannot be used
    default: bool


class Sampler(TypedDict):
    name: str
    aliases: list[str]
    order: int
    calls: int  # of the model, in a step
    random: bool
    automatic: str  # the schedule that suits it
    parameters: list[str]  # what of `sampling` it can be told
    help: str


class Schedule(TypedDict):
    name: str
    aliases: list[str]
    parameters: list[str]
    help: str


class Embedding(TypedDict):
    name: str
    vectors: int
    problem: str | None


class Lora(TypedDict):
    """docs/loras.md says what else it has."""

    name: str
    problem: str | None


class Copy(TypedDict):
    kind: str  # "curl", "python", "command", "diffusers"
    label: str
    language: str
    text: str
    notes: list[str]  # what the text does not say


class Upscaler(TypedDict):
    name: str
    kind: str  # "model", "interpolation", "latent"
    scale: int | None
    help: str
    problem: str | None


class Engine(TypedDict):
    state: str
    device: str
    text: str


class Health(TypedDict):
    version: str
    server: str  # of this start
    engine: Engine
    waiting: int
    running: str | None  # a job's id
    free_bytes: int | None
    notices: list[str]


class Queue(TypedDict):
    """docs/api.md says what each entry has."""

    paused: bool
    reason: str | None
    running: dict[str, Any] | None
    total: int
    limit: int
    ends: float | None
    waiting: list[dict[str, Any]]
    cursor: str | None


class Recipe(TypedDict):
    """Of a picture's file, or of a text; docs/recipes.md."""

    source: str
    tab: str
    values: dict[str, Any]  # by the form's names
    lost: list[dict[str, Any]]
    request: dict[str, Any] | None  # ours, where the picture has it
    parameters: str | None  # A1111's text

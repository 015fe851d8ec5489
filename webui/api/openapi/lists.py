"""What the native API answers of what there is: models, samplers, words, pictures, settings."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from webui.api.openapi.request import PICTURE
from webui.interfaces import PreviewInfo, SamplerInfo, ScheduleInfo
from webui.recipes.settled import Lost
from webui.word_lists import Word


class Engine(BaseModel):
    state: str = Field(description="starting, ready, busy, dead ...")
    device: str
    text: str = Field(description="For people.")


class EngineNow(BaseModel):
    engine: Engine


class PreviewsNow(BaseModel):
    noisy: str | None
    predicted: str | None
    every: int
    guidance: bool


class PreviewMethods(BaseModel):
    previews: PreviewsNow
    methods: list[PreviewInfo]


class PreviewsSet(BaseModel):
    previews: PreviewsNow


class Model(BaseModel):
    """A model; `problem` is why it cannot be used. Further keys tell what is known of it."""

    model_config = ConfigDict(extra="allow")
    name: str
    family: str | None
    width: int | None
    height: int | None
    scale_factor: int | None
    size_bytes: int
    problem: str | None
    default: bool
    settings: dict[str, int | float | str] = Field(
        description="What the text beside it recommends: a request's values where it gives none."
    )


class Vae(BaseModel):
    name: str


class Models(BaseModel):
    models: list[Model]
    vaes: list[Vae]


class Unloaded(BaseModel):
    unloaded: list[str]


class Loaded(BaseModel):
    loaded: str


class InMemory(BaseModel):
    engine: Engine
    models: list[str] | None = Field(description="The last used last; null: not told.")
    memory_bytes: int | None = Field(description="Of the device.")


class ShelfItem(BaseModel):
    """A file under models/. Further keys tell what is known of its kind."""

    model_config = ConfigDict(extra="allow")
    name: str
    file: str
    size_bytes: int
    family: str
    problem: str | None = Field(description="Why nothing can use it.")
    misfit: str | None = Field(description="Why the model cannot.")
    preview: str | None = Field(description="The address of its picture.")
    trigger_words: list[str]


class Shelf(BaseModel):
    kind: str
    model: str | None
    memory_bytes: int | None = Field(description="Of the device.")
    items: list[ShelfItem]


class Lora(BaseModel):
    """A LoRA as its header tells it."""

    name: str = Field(description="As a prompt calls it.")
    size_bytes: int
    family: str = Field(description='"" if its shapes are those of none that is known.')
    kinds: list[str]
    rank: int | None
    changed: int = Field(description="How many weights.")
    networks: list[str]
    precision: str
    title: str
    trigger_words: list[str]
    hash: str = Field(description="As the file itself says it.")
    notes: list[str]
    problem: str | None = Field(description="Why the model cannot use it.")


class Loras(BaseModel):
    model: str | None
    loras: list[Lora]


class Samplers(BaseModel):
    samplers: list[SamplerInfo]


class Schedules(BaseModel):
    schedules: list[ScheduleInfo]


class Upscaler(BaseModel):
    name: str
    kind: str
    scale: int | None = Field(description="null: any, or known once it is loaded.")
    help: str
    problem: str | None


class Embedding(BaseModel):
    name: str
    vectors: int
    size_bytes: int
    problem: str | None


class Embeddings(BaseModel):
    model: str | None
    embeddings: list[Embedding]


class SavedEmbedding(BaseModel):
    embedding: Embedding


class Names(BaseModel):
    names: list[Word]


class Looked(BaseModel):
    """A prompt token by token, or the error that it has."""

    model_config = ConfigDict(extra="allow")
    error: str | None


class PromptLooks(BaseModel):
    prompt: Looked
    negative_prompt: Looked


class RecipeOfJob(BaseModel):
    source: str | None
    tab: str | None
    values: dict[str, Any] = Field(description="By the form's names; null is a default.")
    lost: list[Lost]


class TextChunk(BaseModel):
    name: str
    kind: str
    text: str


class PictureHead(BaseModel):
    format: str
    width: int
    height: int
    mode: str


class RecipeRead(RecipeOfJob):
    """How a picture was made, as far as it says."""

    request: dict[str, Any] | None = Field(description="Our exact request.")
    parameters: str | None
    pairs: list[list[str]]
    chunks: list[TextChunk]
    picture: PictureHead | None


class SeenImages(BaseModel):
    start: str = Field(json_schema_extra=PICTURE)
    mask: str | None
    latent_mask: str | None


class SeenAnswer(BaseModel):
    crop: list[int] | None
    size: list[int]
    latent: list[int]
    result: list[int]
    images: SeenImages


class Notices(BaseModel):
    notices: list[str]


class KeptInput(BaseModel):
    """A picture that requests can name."""

    sha256: str = Field(json_schema_extra=PICTURE)
    width: int
    height: int
    mode: str = Field(description="L, RGB or RGBA.")
    notes: list[str] = Field(description="What was done to it, in sentences.")


class CopyAs(BaseModel):
    """A request as a text that is run elsewhere."""

    kind: str = Field(description="curl, python, command, diffusers ...")
    label: str = Field(description="For people.")
    language: str = Field(description="sh or python.")
    text: str = Field(description='"" where it cannot be said so; `notes` say why.')
    notes: list[str] = Field(description="What the text leaves out.")


class Copies(BaseModel):
    copies: list[CopyAs]


class SettingsNow(BaseModel):
    settings: dict[str, Any] = Field(
        description="By the names of `launch.py --help`, with _ for -."
    )

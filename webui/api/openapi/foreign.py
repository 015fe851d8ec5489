"""What A1111's addresses are sent and answer; the fields of calls are in `webui.api.sdapi`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class A1111Error(BaseModel):
    """An error as A1111's clients read it."""

    error: str = Field(description="What kind of error.")
    detail: str = Field(description="A sentence, with the field before it.")
    body: str
    errors: str


class Generated(BaseModel):
    images: list[str] = Field(description="In base64; a grid of several first.")
    parameters: dict[str, Any] = Field(description="The call, repeated.")
    info: str = Field(description="JSON as text: seeds, sizes, the parameters text of each.")
    job: str = Field(description="The job's id, as in the header X-Darkroom-Job.")
    jobs: list[str] = Field(description="All of it, where an extension made several of one call.")
    ignored: list[str] = Field(description="What was said and does nothing here.")


class Upscaled(BaseModel):
    """One picture made larger."""

    image: str | None
    html_info: str
    job: str


class UpscaledBatch(BaseModel):
    images: list[str]
    html_info: str
    job: list[str]


class Lenient(BaseModel):
    model_config = ConfigDict(extra="allow")


class PictureBody(Lenient):
    image: str = Field(description="In base64, with or without data:image/...;base64, before it.")


class UpscaleBody(Lenient):
    resize_mode: int | None = Field(default=0, ge=0, le=1, description="0 by scale, 1 to a size.")
    upscaling_resize: float | None = Field(default=2, ge=1, le=8)
    upscaling_resize_w: int | None = Field(default=512, ge=0)
    upscaling_resize_h: int | None = Field(default=512, ge=0)
    upscaling_crop: bool | None = True
    upscaler_1: str | None = "None"
    upscaler_2: str | None = "None"
    extras_upscaler_2_visibility: float | None = Field(default=0, ge=0, le=1)


class UpscaleOne(UpscaleBody):
    image: str = Field(description="In base64.")


class NamedPicture(Lenient):
    data: str = Field(description="In base64.")
    name: str = ""


class UpscaleMany(UpscaleBody):
    imageList: list[NamedPicture] = Field(min_length=1, max_length=64)


class PngInfo(BaseModel):
    info: str
    items: dict[str, str]
    parameters: dict[str, Any]


class Interrogation(Lenient):
    image: str = ""
    model: str = "clip"


class ProgressState(BaseModel):
    skipped: bool
    interrupted: bool
    stopping_generation: bool
    job: str
    job_count: int
    job_timestamp: str
    job_no: int
    sampling_step: int
    sampling_steps: int


class GlobalProgress(BaseModel):
    progress: float = Field(ge=0, le=1)
    eta_relative: float = Field(description="Seconds.")
    state: ProgressState
    current_image: str | None = Field(description="In base64.")
    textinfo: str | None
    current_task: str | None
    job: str | None


class TaskProgressBody(Lenient):
    id_task: str | None = ""
    id_live_preview: int | None = -1
    live_preview: bool | None = True


class TaskProgress(BaseModel):
    active: bool
    queued: bool
    completed: bool
    progress: float | None
    eta: float | None
    live_preview: str | None
    id_live_preview: int
    textinfo: str | None


class A1111Sampler(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, str]


class A1111Scheduler(BaseModel):
    name: str
    label: str
    aliases: list[str] | None
    default_rho: float
    need_inner_model: bool


class A1111Upscaler(BaseModel):
    name: str
    model_name: str | None
    model_path: str | None
    model_url: str | None
    scale: int | None


class Named(BaseModel):
    """Something with a name, and what else A1111 says of its kind."""

    model_config = ConfigDict(extra="allow")
    name: str


class A1111Model(BaseModel):
    title: str
    model_name: str
    hash: str | None
    sha256: str | None
    filename: str
    config: str | None


class A1111Vae(BaseModel):
    model_name: str
    filename: str


class A1111Embedding(BaseModel):
    step: int | None
    sd_checkpoint: str | None
    sd_checkpoint_name: str | None
    shape: int
    vectors: int


class A1111Embeddings(BaseModel):
    loaded: dict[str, A1111Embedding]
    skipped: dict[str, A1111Embedding]


class Memory(BaseModel):
    ram: dict[str, int]
    cuda: dict[str, Any]


class Scripts(BaseModel):
    txt2img: list[str]
    img2img: list[str]


class Options(Lenient):
    """Settings by A1111's names."""


class Nothing(BaseModel):
    """{}"""

    model_config = ConfigDict(extra="allow")

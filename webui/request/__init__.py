"""What to generate: the one value that goes from page, API or command line to the engine.

A request is complete and immutable: the same request gives the same pixels. What does not change
the pixels (preview rate, folders, device) is in `settings` and is not known here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import AUTOMATIC_VAE, FIELDS, STOP_AT, shown
from webui.request.images import (
    INIT_PARTS,
    Hires,
    InitImage,
    Loopback,
    Mask,
    Outpaint,
    Tiles,
    Upscale,
)
from webui.request.parts import SHA256, Resume, SamplingOptions, ScheduleOptions, Variation
from webui.request.turns import planned

__all__ = [
    "GenerationRequest",
    "Hires",
    "InitImage",
    "Loopback",
    "Mask",
    "Outpaint",
    "Resume",
    "SamplingOptions",
    "ScheduleOptions",
    "Tiles",
    "Upscale",
    "Variation",
    "from_dict",
    "from_json",
    "to_dict",
    "to_json",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One click. Raises InvalidRequest, naming the field, for values that can never run."""

    model: str  # a name in the library, never a path
    prompt: str
    vae: str = AUTOMATIC_VAE  # a name in the library, AUTOMATIC_VAE or OWN_VAE
    negative_prompt: str = ""
    emphasis: str = "original"  # what weights in a prompt do
    clip_skip: int = 1  # the text encoder's last layer that counts, from the end
    embeddings: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 it was made with
    loras: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 of its tensors
    seed: int  # a number always: "random" is settled before
    rng: str = "cpu"
    variation: Variation | None = None
    seed_resize: tuple[int, int] | None = None  # (width, height) whose noise is to be used
    sampler: str = "DPM++ 2M"
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    schedule: str = "Automatic"
    schedule_options: ScheduleOptions = field(default_factory=ScheduleOptions)
    steps: int = 20
    guidance_scale: float = 7.0  # 1 turns guidance off
    width: int = 512  # pixels
    height: int = 512  # pixels
    images: int = 1  # image i uses seed + i, or variation.seed + i where there is one
    batch_size: int = 1  # images denoised in one go
    stop_at: float = 1.0  # share of the steps after which the predicted picture is the result
    init: InitImage | None = None  # a picture to begin with: img2img; with a mask, inpainting
    hires: Hires | None = None  # a second pass at a larger size
    upscale: Upscale | None = None  # a picture to make larger; nothing is generated then
    resume: Resume | None = None  # a kept step to go on from, instead of from noise
    extras: Mapping[str, Any] = field(default_factory=dict)  # extension -> its own settings

    def __post_init__(self) -> None:
        for name, declared in FIELDS.items():
            if "." not in name:
                declared.check(getattr(self, name))
        for name, kind in _PARTS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise InvalidRequest(name, f"must be a JSON object, got {shown(value)}")
        if not isinstance(self.extras, Mapping):
            raise InvalidRequest("extras", "must map extension names to their settings")
        _check_hashes("embeddings", self.embeddings)
        _check_hashes("loras", self.loras)
        STOP_AT.check(self.stop_at)
        for name in ("guidance_scale", "stop_at"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.resume is not None and (self.images, self.batch_size) != (1, 1):
            raise InvalidRequest("images", f"must be 1 for a branch, got {self.images}")
        _check_together(self)
        _one_by_one(self)
        if self.seed_resize is not None:
            object.__setattr__(self, "seed_resize", _size(self.seed_resize))
        own = self.schedule_options.sigmas
        if own is not None and len(own) != self.steps + 1:
            raise InvalidRequest(
                "steps",
                f"must be one less than schedule_options.sigmas has values, got {self.steps}; "
                f"try {len(own) - 1}",
            )

    def last_step(self, steps: int) -> int:
        """The one after which a picture of `steps` is decoded; 1-based."""
        return max(1, math.ceil(round(steps * self.stop_at, 6)))

    @property
    def batches(self) -> int:
        """How many runs of the sampler the request takes."""
        return -(-self.images // self.batch_size)

    @property
    def turns(self) -> tuple[int, ...]:
        """The steps of each sampling that a batch takes, as far as the request alone says it."""
        return tuple(turn.steps for turn in planned(self))

    def batch_seeds(self, batch: int) -> list[int]:
        """The seeds of the images in a batch (0-based)."""
        return [each.seed for each in self.batch(batch)]

    def batch(self, batch: int) -> list["GenerationRequest"]:
        """The one-image requests of a batch (0-based)."""
        first = batch * self.batch_size
        last = min(first + self.batch_size, self.images)
        return [self.alone(image) for image in range(first, last)]

    def alone(self, image: int) -> "GenerationRequest":
        """The one-image request that makes picture `image` (0-based) again; seeds wrap at 2**32.

        With a variation the main seed stays and the variation's counts, as in A1111.
        """
        if self.variation is None or self.variation.strength == 0:
            return replace(self, seed=(self.seed + image) % 2**32, images=1, batch_size=1)
        varied = replace(self.variation, seed=(self.variation.seed + image) % 2**32)
        return replace(self, variation=varied, images=1, batch_size=1)


_PARTS: Mapping[str, Any] = {
    "sampling": SamplingOptions,
    "schedule_options": ScheduleOptions,
    "variation": Variation | None,
    "init": InitImage | None,
    "hires": Hires | None,
    "upscale": Upscale | None,
    "resume": Resume | None,
}


def _one_by_one(request: GenerationRequest) -> None:
    """Tiles and loops are made of one picture at a time: the same pictures, one after the other."""
    if request.init is not None and (request.init.tiles or request.init.loopback):
        object.__setattr__(request, "batch_size", 1)


def _check_together(request: GenerationRequest) -> None:
    """What a request cannot ask for at once."""
    tiles = request.init.tiles if request.init is not None else None
    side = min(request.width, request.height)
    if tiles is not None and tiles.overlap >= side:
        raise InvalidRequest(
            "init.tiles.overlap",
            f"must be less than a tile's side, {side}, got {tiles.overlap}; try {side // 2}",
        )
    if request.hires is not None and request.init is not None:
        raise InvalidRequest("hires", "goes with a request from text alone; leave init out")
    if request.upscale is not None:
        for name in ("init", "hires", "resume"):
            if getattr(request, name) is not None:
                raise InvalidRequest("upscale", f"makes one picture larger; leave {name} out")
        if request.images != 1:
            raise InvalidRequest(
                "images", f"must be 1 where a picture is made larger, got {request.images}"
            )


def _check_hashes(field: str, hashes: object) -> None:
    if not isinstance(hashes, Mapping):
        raise InvalidRequest(field, f"must map {field}' names to the sha256 of their files")
    for name, digest in hashes.items():
        if not isinstance(digest, str) or not SHA256.fullmatch(digest):
            raise InvalidRequest(
                field,
                f"must give 64 hexadecimal digits for {shown(name)}, got {shown(digest)}",
            )


def _size(value: object) -> tuple[int, int]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise InvalidRequest("seed_resize", f"must be [width, height], got {shown(value)}")
    width, height = value
    FIELDS["seed_resize.width"].check(width)
    FIELDS["seed_resize.height"].check(height)
    return width, height


def to_json(request: GenerationRequest) -> str:
    """All fields, as one JSON object; `from_json` gives an equal request back."""
    return json.dumps(to_dict(request), ensure_ascii=False, allow_nan=False)


def to_dict(request: GenerationRequest) -> dict[str, Any]:
    """JSON's own types alone: what comes back from a file is equal to what went in."""
    values = asdict(request)
    options = values["schedule_options"]
    if options["sigmas"] is not None:
        options["sigmas"] = list(options["sigmas"])
    if values["seed_resize"] is not None:
        values["seed_resize"] = list(values["seed_resize"])
    return values


def from_json(text: str) -> GenerationRequest:
    """Raises InvalidRequest, naming the field where one is to blame."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("request", "is not valid JSON") from error
    return from_dict(values)


def from_dict(values: object) -> GenerationRequest:
    """Raises InvalidRequest for unknown, missing or wrong fields; missing ones take defaults."""
    filled = _known("", GenerationRequest, values)
    for name, kind in (
        ("sampling", SamplingOptions),
        ("schedule_options", ScheduleOptions),
        ("variation", Variation),
        ("hires", Hires),
        ("upscale", Upscale),
        ("resume", Resume),
    ):
        given = filled.get(name)
        if isinstance(given, Mapping):
            filled[name] = kind(**_known(name, kind, given))
    if isinstance(filled.get("init"), Mapping):
        filled["init"] = _init(filled["init"])
    return GenerationRequest(**filled)


def _init(values: Mapping[str, Any]) -> InitImage:
    filled = _known("init", InitImage, values)
    for name, kind in INIT_PARTS.items():
        given = filled.get(name)
        if isinstance(given, Mapping):
            filled[name] = kind(**_known(f"init.{name}", kind, given))
    return InitImage(**filled)


def _known(part: str, kind: Any, values: object) -> dict[str, Any]:
    """A copy of `values`, which hold what `kind` must have, and nothing that it has not."""
    if not isinstance(values, Mapping):
        raise InvalidRequest("request", "must be a JSON object")
    prefix = f"{part}." if part else ""
    known = {each.name: each for each in fields(kind)}
    for name in values:
        if name not in known:
            raise InvalidRequest(
                f"{prefix}{str(name)[:80]}", f"is not a field; known are {sorted(known)}"
            )
    for name in _REQUIRED.get(part, ()):
        if name not in values:
            raise InvalidRequest(f"{prefix}{name}", "is missing")
    return dict(values)


_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "": ("model", "prompt", "seed"),
    "variation": ("seed", "strength"),
    "init": ("picture",),
    "init.mask": ("picture",),
    "upscale": ("picture",),
    "resume": ("job", "batch", "position", "step", "sha256"),
}

"""What to generate: the one value that goes from page, API or command line to the engine.

A request is complete and immutable: the same request gives the same pixels. What does not change
the pixels (preview rate, folders, device) is in `settings` and is not known here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import FIELDS, NumberField, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """What some samplers can be told; None is the sampler's own default."""

    eta: float | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    s_noise: float | None = None
    order: int | None = None
    solver_type: str | None = None

    def __post_init__(self) -> None:
        _check_part("sampling", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """What some schedules can be told; None is the schedule's own default."""

    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None
    sigmas: tuple[float, ...] | None = None  # own noise levels, instead of a schedule's; falling

    def __post_init__(self) -> None:
        _check_part("schedule_options", self)
        if self.sigma_min and self.sigma_max and self.sigma_min >= self.sigma_max:
            raise InvalidRequest(
                "schedule_options.sigma_min",
                f"must be below sigma_max, which is {self.sigma_max:g}; got {self.sigma_min:g}",
            )
        if self.sigmas is not None:
            object.__setattr__(self, "sigmas", _own_sigmas(self.sigmas))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The starting noise turned towards another seed's. Image i uses this seed + i."""

    seed: int
    strength: float  # 0 is none, 1 all the way

    def __post_init__(self) -> None:
        _check_part("variation", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One click. Raises InvalidRequest, naming the field, for values that can never run."""

    model: str  # a name in the library, never a path
    prompt: str
    negative_prompt: str = ""
    emphasis: str = "original"  # what weights in a prompt do
    clip_skip: int = 1  # the text encoder's last layer that counts, from the end
    embeddings: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 it was made with
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
        _check_hashes(self.embeddings)
        object.__setattr__(self, "guidance_scale", float(self.guidance_scale))
        if self.seed_resize is not None:
            object.__setattr__(self, "seed_resize", _size(self.seed_resize))
        own = self.schedule_options.sigmas
        if own is not None and len(own) != self.steps + 1:
            raise InvalidRequest(
                "steps",
                f"must be one less than schedule_options.sigmas has values, got {self.steps}; "
                f"try {len(own) - 1}",
            )

    @property
    def batches(self) -> int:
        """How many runs of the sampler the request takes."""
        return -(-self.images // self.batch_size)

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
}
_MOST_SIGMA = 1000.0
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _check_part(name: str, part: Any) -> None:
    """Checks what is given; what is None is left to its default. Whole numbers become floats."""
    for each in fields(part):
        declared, value = FIELDS.get(f"{name}.{each.name}"), getattr(part, each.name)
        if declared is None or (value is None and each.default is None):
            continue
        declared.check(value)
        if isinstance(declared, NumberField):
            object.__setattr__(part, each.name, float(value))


def _own_sigmas(values: object) -> tuple[float, ...]:
    name = "schedule_options.sigmas"
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidRequest(name, f"must be a list of numbers, got {shown(values)}")
    most = FIELDS["steps"].maximum + 1  # type: ignore[union-attr]
    if not 2 <= len(values) <= most:
        raise InvalidRequest(name, f"must have 2 to {most} values, got {len(values)}")
    for value in values:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not 0 <= value <= _MOST_SIGMA:  # also true for NaN
            raise InvalidRequest(
                name, f"must hold numbers from 0 to {_MOST_SIGMA:g}, got {shown(value)}"
            )
    sigmas = tuple(float(value) for value in values)
    if sigmas[-1] != 0:
        raise InvalidRequest(name, f"must end with 0, got {shown(values[-1])}")
    for before, after in pairwise(sigmas):
        if not after < before:
            raise InvalidRequest(name, f"must fall from value to value, got {before:g}, {after:g}")
    return sigmas


def _check_hashes(embeddings: object) -> None:
    if not isinstance(embeddings, Mapping):
        raise InvalidRequest(
            "embeddings", "must map embeddings' names to the sha256 of their files"
        )
    for name, digest in embeddings.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise InvalidRequest(
                "embeddings",
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
    ):
        given = filled.get(name)
        if isinstance(given, Mapping):
            filled[name] = kind(**_known(name, kind, given))
    return GenerationRequest(**filled)


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
}

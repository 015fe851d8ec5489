"""What to generate: the one value that goes from page, API or command line to the engine.

A request is complete and immutable: the same request gives the same pixels. What does not change
the pixels (preview rate, folders, device) is in `settings` and is not known here.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One click. Raises InvalidRequest, naming the field, for values that can never run."""

    model: str  # a name in the library, never a path
    prompt: str
    negative_prompt: str = ""
    seed: int  # a number always: "random" is settled before
    rng: str = "cpu"
    sampler: str = "DPM++ 2M"
    schedule: str = "Automatic"
    steps: int = 20
    guidance_scale: float = 7.0  # 1 turns guidance off
    width: int = 512  # pixels
    height: int = 512  # pixels
    images: int = 1  # image i uses seed + i
    batch_size: int = 1  # images denoised in one go
    extras: Mapping[str, Any] = field(default_factory=dict)  # extension -> its own settings

    def __post_init__(self) -> None:
        for name, declared in FIELDS.items():
            declared.check(getattr(self, name))
        if not isinstance(self.extras, Mapping):
            raise InvalidRequest("extras", "must map extension names to their settings")
        object.__setattr__(self, "guidance_scale", float(self.guidance_scale))

    @property
    def batches(self) -> int:
        """How many runs of the sampler the request takes."""
        return -(-self.images // self.batch_size)

    def batch_seeds(self, batch: int) -> list[int]:
        """The seeds of the images in a batch (0-based); they wrap at 2**32."""
        first = batch * self.batch_size
        last = min(first + self.batch_size, self.images)
        return [(self.seed + image) % 2**32 for image in range(first, last)]

    def alone(self, image: int) -> "GenerationRequest":
        """The one-image request that makes picture `image` (0-based) again."""
        seed = (self.seed + image) % 2**32
        return replace(self, seed=seed, images=1, batch_size=1)


def to_json(request: GenerationRequest) -> str:
    """All fields, as one JSON object; `from_json` gives an equal request back."""
    return json.dumps(to_dict(request), ensure_ascii=False, allow_nan=False)


def to_dict(request: GenerationRequest) -> dict[str, Any]:
    return asdict(request)


def from_json(text: str) -> GenerationRequest:
    """Raises InvalidRequest, naming the field where one is to blame."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("request", "is not valid JSON") from error
    return from_dict(values)


def from_dict(values: object) -> GenerationRequest:
    """Raises InvalidRequest for unknown, missing or wrong fields; missing ones take defaults."""
    if not isinstance(values, Mapping):
        raise InvalidRequest("request", "must be a JSON object")
    known = {each.name for each in fields(GenerationRequest)}
    for name in values:
        if name not in known:
            raise InvalidRequest(str(name)[:80], f"is not a field; known are {sorted(known)}")
    for name in ("model", "prompt", "seed"):
        if name not in values:
            raise InvalidRequest(name, "is missing")
    return GenerationRequest(**values)

"""How long runs take, from how long such runs took: values and arithmetic alone.

A speed is known by its key: model, sampler, guidance, size and batch. A size that was never run is
judged by the nearest one of the same model, in proportion to its pixels.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from webui.request import GenerationRequest
from webui.request.turns import planned, steps_made


@dataclass(frozen=True, slots=True)
class Speed:
    step: float  # seconds
    picture: float  # seconds from the last step to the saved file, for each picture


def key(request: GenerationRequest) -> str:
    batch = min(request.batch_size, request.images)
    guided = request.guidance_scale != 1
    return _written(request.model, request.sampler, guided, request.width, request.height, batch)


def key_of_stored(values: Mapping[str, Any]) -> tuple[str, int, int]:
    """(key, steps, images) of a request's JSON as it lies in the store, of whatever version.

    Raises LookupError, TypeError, ValueError for one that has not what it takes.
    """
    images, size = int(values["images"]), int(values["batch_size"])
    init = values.get("init")
    made = int(values["steps"])
    if init:
        made = steps_made(made, float(init["strength"]), bool(init["exact_steps"]))
    steps = made * -(-images // size)
    written = _written(
        str(values["model"]), str(values["sampler"]), values["guidance_scale"] != 1,
        int(values["width"]), int(values["height"]), min(size, images),
    )  # fmt: skip
    return written, steps, images


def total_steps(request: GenerationRequest) -> int:
    """Of all batches, as so many at the request's own size."""
    turns, resume = planned(request), request.resume
    kept = 0.0
    if resume is not None:
        kept = sum(turn.steps * turn.weight for turn in turns[: resume.turn])
        kept += resume.step * (turns[resume.turn].weight if resume.turn < len(turns) else 1.0)
    whole = round(sum(turn.steps * turn.weight for turn in turns))
    return max(1, round(request.last_step(whole) - kept)) * request.batches


def seconds(steps: float, images: int, speed: Speed) -> float:
    return steps * speed.step + images * speed.picture


def readable(speeds: Mapping[str, Speed]) -> dict[str, Speed]:
    """Those with a key of ours: one damaged row must not cost all estimates, or the line."""
    return {key: each for key, each in speeds.items() if _is_key(key)}


def judged(wanted: str, known: Mapping[str, Speed]) -> Speed | None:
    """The speed of a key: as measured, else by the nearest of its model; None without any, or for
    what is no key. Those `known` are all `readable`."""
    if wanted in known:
        return known[wanted]
    if not _is_key(wanted):
        return None
    model, sampler, guided, *size = json.loads(wanted)
    likely = [
        (other[1] != sampler, other[2] != guided, abs(log(_cells(size) / _cells(other[3:]))), each)
        for each in known
        if (other := json.loads(each))[0] == model
    ]
    if not likely:
        return None
    nearest = min(likely)[-1]
    speed, other = known[nearest], json.loads(nearest)[3:]
    return Speed(
        speed.step * _cells(size) / _cells(other),
        speed.picture * (size[0] * size[1]) / (other[0] * other[1]),
    )


def blended(old: Speed | None, new: Speed) -> Speed:
    """Half the last run, half what was known: machines get slower and faster."""
    if old is None:
        return new
    return Speed((old.step + new.step) / 2, (old.picture + new.picture) / 2)


def together(work: Iterable[tuple[str, int, int]], known: Mapping[str, Speed]) -> float | None:
    """Seconds for (key, steps, images) after one another; None if one of them is unknown."""
    total = 0.0
    for each, steps, images in work:
        speed = judged(each, known)
        if speed is None:
            return None
        total += seconds(steps, images, speed)
    return total


def _is_key(text: str) -> bool:
    try:
        parts = json.loads(text)
        kinds = [type(each) for each in parts]
    except (TypeError, ValueError, RecursionError):
        return False
    return kinds == [str, str, bool, int, int, int] and min(parts[3:]) > 0


def _cells(size: list[int]) -> int:
    width, height, batch = size
    return max(1, width * height * batch)


def _written(*parts: object) -> str:
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))

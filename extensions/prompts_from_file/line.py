"""One line of the text: a prompt, or options as in A1111's script "Prompts from file or textbox".

Knows neither the page nor the other lines; what the options mean is said here, in one table.
"""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from webui import GenerationRequest, InvalidRequest, from_dict, to_dict

_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a text"}
_SEEDS = 2**32
# A1111's names and some of ours -> the field, and what it is
OPTIONS: Mapping[str, tuple[str, type]] = {
    "prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "seed": ("seed", int),
    "subseed": ("variation.seed", int),
    "subseed_strength": ("variation.strength", float),
    "seed_resize_from_w": ("seed_resize.width", int),
    "seed_resize_from_h": ("seed_resize.height", int),
    "sampler_name": ("sampler", str),
    "sampler": ("sampler", str),
    "scheduler": ("schedule", str),
    "steps": ("steps", int),
    "cfg_scale": ("guidance_scale", float),
    "width": ("width", int),
    "height": ("height", int),
    "batch_size": ("batch_size", int),
    "n_iter": ("images", int),
    "sd_model": ("model", str),
}
# A1111's that no field answers to: why. Those of _SWITCHES may be there as long as they are off.
REFUSED: Mapping[str, str] = {
    "restore_faces": "Darkroom restores no faces",
    "tiling": "Darkroom makes no pictures that tile",
    "do_not_save_samples": "every picture is saved",
    "do_not_save_grid": "",  # none is made of lines, so it may be said either way
    "prompt_for_display": "a picture's text says the prompt that it was made with",
    "styles": "Darkroom has no styles; write their words into the prompt",
    "outpath_samples": "where pictures go is set for all, by --outputs",
    "outpath_grids": "where pictures go is set for all, by --outputs",
    "sampler_index": "the number is A1111's own; give --sampler_name",
}
_SWITCHES = ("restore_faces", "tiling", "do_not_save_samples", "do_not_save_grid")
_TEXTS = ("prompt", "negative_prompt")  # go on to the next option, as there


def read(text: str, request: GenerationRequest, seed: int) -> GenerationRequest:
    """What becomes of `request`; `seed` where the line says none. Raises ValueError, in words."""
    if not text.startswith("--"):
        return _made(request, {"prompt": text, "seed": seed}, {})
    given = _options(shlex.split(text))
    named = {OPTIONS[name][0]: f"--{name}" for name in given}
    values = {OPTIONS[name][0]: value for name, value in given.items()}
    return _made(request, {"seed": seed} | values, named)


def _options(words: Sequence[str]) -> dict[str, Any]:
    """A1111's name -> value; of one that stands twice the last counts."""
    found: dict[str, Any] = {}
    place = 0
    while place < len(words):
        name = words[place].removeprefix("--")
        if not words[place].startswith("--"):
            raise ValueError(f"{words[place][:40]!r} belongs to no option; is it to be in quotes?")
        if name not in OPTIONS and name not in REFUSED:
            known = ", ".join(f"--{each}" for each in OPTIONS)
            raise ValueError(f"--{name[:40]} is unknown; known are {known}")
        end = place + 2
        while name in _TEXTS and end < len(words) and not words[end].startswith("--"):
            end += 1
        value = " ".join(words[place + 1 : end])
        if name in REFUSED:
            _refuse(name, value)
        else:
            found[name] = _value(name, value if place + 1 < len(words) else None)
        place = end
    return found


def _refuse(name: str, value: str) -> None:
    """Raises ValueError unless it asks for what is done anyhow."""
    if name in _SWITCHES:
        if value.lower() not in ("true", "false"):
            raise ValueError(f"--{name} needs true or false, got {value[:40]!r}")
        if value.lower() == "false" or not REFUSED[name]:
            return
    raise ValueError(f"--{name} cannot be had: {REFUSED[name]}; leave it out")


def _value(name: str, value: str | None) -> Any:
    kind = OPTIONS[name][1]
    if value is None or (kind is not str and value.startswith("--")):
        raise ValueError(f"--{name} needs {_KINDS[kind]}, and has none")
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"--{name} needs {_KINDS[kind]}, got {value[:40]!r}") from None


def _made(
    request: GenerationRequest, values: dict[str, Any], named: Mapping[str, str]
) -> GenerationRequest:
    """`named`: which option a field's value is of."""
    changes = {name: value for name, value in values.items() if "." not in name}
    if changes["seed"] == -1:
        changes["seed"] = secrets.randbelow(_SEEDS)
    if {"images", "batch_size"} & values.keys():
        size = values.get("batch_size", request.batch_size)
        changes["images"] = values.get("images", request.batches) * size
    changes |= _variation(request, values) | _seed_size(request, values)
    try:
        return from_dict(to_dict(request) | changes)
    except InvalidRequest as error:
        raise ValueError(f"{named.get(error.field, error.field)} {error.problem}") from None


def _variation(request: GenerationRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    """A strength of 0 is none; a seed of -1, or none at all, is a new one."""
    if not {"variation.seed", "variation.strength"} & values.keys():
        return {}
    now = request.variation
    strength = values.get("variation.strength", now.strength if now else 0.0)
    seed = values.get("variation.seed", now.seed if now else -1)
    if strength == 0:
        return {"variation": None}
    return {
        "variation": {
            "seed": secrets.randbelow(_SEEDS) if seed == -1 else seed,
            "strength": strength,
        }
    }


def _seed_size(request: GenerationRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    """Sides of 0 or less turn it off, as there. Raises ValueError for one without the other."""
    if not {"seed_resize.width", "seed_resize.height"} & values.keys():
        return {}
    before = request.seed_resize or (0, 0)
    width = values.get("seed_resize.width", before[0])
    height = values.get("seed_resize.height", before[1])
    if (width > 0) != (height > 0):
        raise ValueError(
            "--seed_resize_from_w and --seed_resize_from_h go together; "
            f"got {width} x {height}, give both or none"
        )
    return {"seed_resize": [width, height] if width > 0 else None}

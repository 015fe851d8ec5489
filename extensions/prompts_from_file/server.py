"""A job for each line of a text, as A1111's script "Prompts from file or textbox"."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from webui import (
    ControlGroup,
    FilterContext,
    FlagField,
    GenerationRequest,
    InvalidRequest,
    RequestFilter,
    TextField,
    hookimpl,
    with_seed,
    without,
)

MOST_LINES = 500
_FIELD = "extras.prompts_from_file.lines"
# A1111's names -> ours, and what they are
_OPTIONS: Mapping[str, tuple[str, type]] = {
    "prompt": ("prompt", str),
    "negative_prompt": ("negative_prompt", str),
    "seed": ("seed", int),
    "steps": ("steps", int),
    "cfg_scale": ("guidance_scale", float),
    "width": ("width", int),
    "height": ("height", int),
    "sampler_name": ("sampler", str),
    "sampler": ("sampler", str),
    "scheduler": ("schedule", str),
    "sd_model": ("model", str),
    "batch_size": ("batch_size", int),
    "n_iter": ("n_iter", int),
}

GROUP = ControlGroup(
    name="prompts_from_file",
    title="Prompts from a file or a text",
    help="One job for each line. A line is a prompt, or begins with options: "
    '--prompt "a cat" --negative_prompt "blurry" --steps 20 --seed 5.',
    fields=(
        FlagField(
            name="on", label="Prompts from these lines", help="The prompt above is not used then."
        ),
        TextField(name="lines", label="Lines", help="Empty lines are left out."),
        FlagField(
            name="seeds",
            label="Count the seed up",
            help="Line by line; otherwise all lines have the same seed.",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    return (RequestFilter(needs=GROUP.name, apply=lines, order=0),)


def lines(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """A request for each line. Raises InvalidRequest, naming the line."""
    values = context.values
    if not values["on"]:
        return [request]
    texts = [text.strip() for text in values["lines"].splitlines() if text.strip()]
    if not texts:
        raise InvalidRequest(_FIELD, "is empty; write one prompt on each line")
    if len(texts) > MOST_LINES:
        raise InvalidRequest(_FIELD, f"has {len(texts)} lines; at most {MOST_LINES} can be made")
    plain, made = without(request, GROUP.name), []
    for number, text in enumerate(texts):
        seed = request.seed + (number if values["seeds"] else 0)
        made.append(replace(with_seed(plain, seed), **_line(number + 1, text, request)))
    return made


def _line(number: int, text: str, request: GenerationRequest) -> dict[str, Any]:
    """What it changes of the request."""
    if not text.startswith("--"):
        return {"prompt": text}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidRequest(_FIELD, f"line {number}: {error}") from None
    changes: dict[str, Any] = {}
    for option, value in zip(words[::2], [*words[1::2], None], strict=False):
        name, kind = _OPTIONS.get(option.removeprefix("--"), ("", str))
        if not option.startswith("--") or not name:
            known = ", ".join(f"--{each}" for each in _OPTIONS)
            raise InvalidRequest(_FIELD, f"line {number}: {option[:40]!r}: known are {known}")
        try:
            if value is None:
                raise ValueError
            changes[name] = kind(value)
        except ValueError:
            raise InvalidRequest(
                _FIELD, f"line {number}: {option} needs a {kind.__name__}, got {str(value)[:40]!r}"
            ) from None
    if "n_iter" in changes:
        size = changes.get("batch_size", request.batch_size)
        changes["images"] = changes.pop("n_iter") * size
    if changes.get("seed") == -1:
        del changes["seed"]
    return changes

"""Prompt matrix, as A1111's script of that name: the parts after the first are there or not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from webui import (
    ChoiceField,
    ControlGroup,
    FilterContext,
    FlagField,
    GenerationRequest,
    InvalidRequest,
    RequestFilter,
    hookimpl,
    with_seed,
    without,
)

MOST_PARTS = 8  # that may be there or not: 256 jobs
_JOINTS = {"comma": ", ", "space": " "}

GROUP = ControlGroup(
    name="prompt_matrix",
    title="Prompt matrix",
    help="a castle | at night | in the rain makes four pictures: the castle, the castle at night, "
    "in the rain, and both.",
    fields=(
        FlagField(
            name="on",
            label="Prompt matrix",
            help="Parts between | are there or not; one job for each choice.",
        ),
        ChoiceField(
            name="side",
            label="Which prompt",
            default="prompt",
            choices=("prompt", "negative prompt"),
            help="The one that is taken apart.",
        ),
        ChoiceField(
            name="joint",
            label="Joined by",
            default="comma",
            choices=("comma", "space"),
            help="What stands between the parts.",
        ),
        FlagField(
            name="first", label="Variable parts first", help="Puts them before the part that stays."
        ),
        FlagField(
            name="seeds",
            label="Another seed for each",
            help="Otherwise all have the same, so that only the words differ.",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    return (RequestFilter(needs=GROUP.name, apply=matrix, order=20),)


def matrix(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """A request for each choice of the parts, in the order in which A1111 counts them."""
    values = context.values
    side = "prompt" if values["side"] == "prompt" else "negative_prompt"
    stays, *parts = (part.strip() for part in getattr(request, side).split("|"))
    plain, made = without(request, GROUP.name), []
    if not values["on"] or not parts:
        return [plain]
    if len(parts) > MOST_PARTS:
        raise InvalidRequest(
            side, f"has {len(parts)} parts that may be there or not; at most {MOST_PARTS} can be"
        )
    for number in range(2 ** len(parts)):
        chosen = [part for place, part in enumerate(parts) if number & 1 << place]
        order = [*chosen, stays] if values["first"] else [stays, *chosen]
        text = _JOINTS[values["joint"]].join(part for part in order if part)
        changes: dict[str, Any] = {side: text}
        seed = request.seed + (number if values["seeds"] else 0)
        made.append(with_seed(replace(plain, **changes), seed))
    return made

"""The controls of condition-annealed sampling, and the tag of its strength: <variety:0.25>."""

from collections.abc import Mapping, Sequence
from typing import Any

from webui import ControlGroup, InvalidRequest, NumberField, PromptBlock, Tag, hookimpl


def _number(name: str, label: str, default: float, help: str, key: str | None) -> NumberField:
    return NumberField(
        name=name,
        label=label,
        default=default,
        minimum=0.0,
        maximum=1.0,
        step=0.05,
        help=help,
        metadata=key,
    )


GROUP = ControlGroup(
    name="variety",
    title="Variety",
    help="The prompt begins as noise and becomes itself over the first steps: compositions and "
    "poses differ more from seed to seed, at some cost in following the prompt.",
    fields=(
        _number(
            "strength",
            "Strength",
            0.0,
            "How much noise: 0.25 is the paper's, 0 is off; in a prompt <variety:0.25>.",
            "Variety",
        ),
        _number("noisy", "Noise alone", 0.1, "For this share of the steps.", "Variety noise"),
        _number(
            "until", "Prompt alone from", 0.4, "After this share of the steps.", "Variety until"
        ),
    ),
    written=(_number("by_tag", "By tag", 0.0, "What a tag in the prompt says.", None),),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_prompt_blocks() -> Sequence[PromptBlock]:
    return (
        PromptBlock(
            kind="variety",
            example="<variety:0.25>",
            help="How much noise the prompt begins as, from 0 to 1.",
            needs=GROUP.name,
            writes=("by_tag",),
            read=strength,
        ),
    )


def strength(tags: Sequence[Tag]) -> Mapping[str, Any]:
    """The last tag's number counts. Raises InvalidRequest for what is none."""
    given = tags[-1].arguments
    if tags[-1].held is not None:
        raise InvalidRequest("prompt", "switches <variety:...> at a step; it holds for all of them")
    try:
        (text,) = given
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        said = ":".join(given)[:80]
        raise InvalidRequest(
            "prompt", f"<variety:{said}> must have one number from 0 to 1, as <variety:0.25>"
        )
    return {"by_tag": value}

"""The axes that are no plain field: words of the prompt, sizes, LoRAs, the strength of a pass."""

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Any

from webui import Axis, InvalidRequest

_SIZE = re.compile(r"(\d{1,5})\s*[x\N{MULTIPLICATION SIGN}]\s*(\d{1,5})", re.ASCII)
_LORA = re.compile(r"<(lora|lyco):([^:<>]{1,200})(:[^<>]{0,200})?>")
_WEIGHT = re.compile(r"^:[^:=]*(?=:|$)")
_MOST_WORDS = 5  # of a prompt order: 120 orders
_SIDES = ("prompt", "negative_prompt")

Values = dict[str, Any]


def replaced(values: Values, value: str, listed: Sequence[str]) -> None:
    """Prompt S/R: what is listed first is found, and each of the others stands in its place."""
    found = listed[0]
    if not any(found in values[side] for side in _SIDES):
        raise InvalidRequest("prompt", f"has no {found[:60]!r}, and so has the negative prompt")
    for side in _SIDES:
        values[side] = values[side].replace(found, value)


def orders(listed: Sequence[str]) -> list[tuple[str, ...]]:
    if len(listed) > _MOST_WORDS:
        raise InvalidRequest(
            "values",
            f"of Prompt order are {len(listed)}; at most {_MOST_WORDS} can be put in order",
        )
    return list(permutations(listed))


def ordered(values: Values, value: tuple[str, ...], listed: Sequence[Any]) -> None:
    """The words keep the places that they have in the prompt, and are put there in that order."""
    prompt = values["prompt"]
    for word in value:
        if word not in prompt:
            raise InvalidRequest("prompt", f"has no {word[:60]!r}")
    left, parts = prompt, []
    for word in sorted(value, key=prompt.find):
        before, _, left = left.partition(word)
        parts.append(before)
    values["prompt"] = "".join(part + word for part, word in zip(parts, value, strict=True)) + left


def sized(values: Values, value: str, listed: Sequence[str]) -> None:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise InvalidRequest("size", f"{value[:40]!r} is no size such as 512x768")
    values["width"], values["height"] = int(match[1]), int(match[2])


def strength(values: Values, value: float, listed: Sequence[float]) -> None:
    part = values.get("hires") or values.get("init")
    if part is None:
        raise InvalidRequest("hires", "needs Hires. fix or a picture to begin with")
    part["strength"] = value


def with_lora(values: Values, value: str, listed: Sequence[str]) -> None:
    """In place of the prompt's first LoRA, with its weight; else at the end with weight 1."""
    found = _LORA.search(values["prompt"])
    weight = (found[3] or "") if found else ":1"
    tag = "" if value == "None" else f"<lora:{value}{weight}>"
    prompt = values["prompt"]
    values["prompt"] = (
        prompt[: found.start()] + tag + prompt[found.end() :]
        if found
        else (f"{prompt} {tag}" if tag else prompt)
    )


def weighted(values: Values, value: float, listed: Sequence[float]) -> None:
    """All LoRAs of both prompts have this weight; a UNet's own weight stays as it is."""
    if not any(_LORA.search(values[side]) for side in _SIDES):
        raise InvalidRequest("prompt", "has no <lora:...> whose weight could be another")

    def tag(match: re.Match[str]) -> str:
        rest = _WEIGHT.sub("", match[3] or "")
        return f"<{match[1]}:{match[2]}:{value:g}{rest}>"

    for side in _SIDES:
        values[side] = _LORA.sub(tag, values[side])


AXES: Sequence[Axis] = (
    Axis(
        label="Prompt S/R",
        help="Finds the first value in both prompts, and puts each of the others in its place.",
        example='cat, dog, "a horse, running"',
        put=replaced,
        bare=True,
    ),
    Axis(
        label="Prompt order",
        help="Every order of these words of the prompt.",
        example="oil painting, by night, misty",
        put=ordered,
        expand=orders,
        bare=True,
    ),
    Axis(
        label="Denoising",
        help="The denoising strength: of the picture to begin with, or of Hires. fix.",
        example="0.3, 0.5 or 0.3-0.9 (+0.2)",
        kind="number",
        put=strength,
    ),
    Axis(label="Size", help="Width x height.", example="512x512, 512x768", put=sized),
    Axis(
        label="LoRA",
        help="In place of the prompt's first LoRA, or added to it; None leaves it out.",
        example="names; nothing means all",
        choices=lambda services: ["None", *services.loras.names()],
        put=with_lora,
        cost=0.3,
    ),
    Axis(
        label="LoRA weight",
        help="Of every LoRA in the prompts.",
        example="0, 0.5, 1 or 0-1 (+0.25)",
        kind="number",
        put=weighted,
        cost=0.2,
        order=10,
    ),
)

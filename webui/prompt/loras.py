"""What the LoRA tags of a prompt ask for: `<lora:name:0.8>`, `<lora:name:0.5:1>`, `te=`, `unet=`.

As A1111 reads them: the first number is for the text encoders, and for the UNet too if no second
one is given; without a number both are 1. `<lyco:...>` is the same. Knows no files.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from webui.errors import InvalidRequest
from webui.prompt.parts import Tag

KINDS = ("lora", "lyco")
MOST = 64  # tags of a prompt; each is a file that is read
_STRONGEST = 100.0
_NAMED = ("te", "unet")


@dataclass(frozen=True, slots=True)
class LoraUse:
    """A LoRA that a prompt asks for; weights may be 0 or negative."""

    name: str
    text: float  # the text encoders' weight
    unet: float
    held: tuple[tuple[int, int], ...] | None = None  # (first, last) of its steps; None: all

    def at(self, step: int) -> bool:
        """Whether it holds at that step, counted from 1."""
        return self.held is None or any(first <= step <= last for first, last in self.held)

    @property
    def does_something(self) -> bool:
        return (self.text != 0 or self.unet != 0) and self.held != ()


def lora_uses(tags: Iterable[Tag]) -> list[LoraUse]:
    """In the order of the prompt; one that names nothing is left out.

    Raises InvalidRequest, field "prompt", naming the tag, for what none of them can be.
    """
    made = [_use(tag) for tag in tags if tag.kind in KINDS and tag.arguments]
    uses = [use for use in made if use.name]
    if len(uses) > MOST:
        raise InvalidRequest("prompt", f"names {len(uses)} LoRAs; {MOST} is the most")
    return uses


def _use(tag: Tag) -> LoraUse:
    name, *numbers = (each.strip() for each in tag.arguments)
    for key in tag.named:
        if key.strip() not in _NAMED:
            raise _wrong(tag, f"{key.strip()[:40]!r} is not known; known are te and unet")
    if len(numbers) > 2:
        raise _wrong(tag, "more than two numbers: one is for the text encoder, one for the UNet")
    given = {key.strip(): value for key, value in tag.named.items()}
    text = _weight(tag, given.get("te", numbers[0] if numbers else "1"))
    unet = given.get("unet", numbers[1] if len(numbers) > 1 else None)
    return LoraUse(name, text, text if unet is None else _weight(tag, unet), tag.held)


def _weight(tag: Tag, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise _wrong(tag, f"{text.strip()[:40]!r} is no number") from None
    if not math.isfinite(weight) or abs(weight) > _STRONGEST:
        raise _wrong(tag, f"a weight must be from {-_STRONGEST:g} to {_STRONGEST:g}, got {text}")
    return weight


def _wrong(tag: Tag, problem: str) -> InvalidRequest:
    return InvalidRequest("prompt", f"<{tag.kind}:{tag.arguments[0].strip()[:80]}...>: {problem}")


def names_of(uses: Sequence[LoraUse]) -> list[str]:
    """Of those that do something, each once."""
    return list(dict.fromkeys(use.name for use in uses if use.does_something))

"""What A1111 calls a script: a name, arguments by their places, and the fields that they fill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from webui.fields import FIELDS, FormField

Flat = dict[str, Any]  # a request's values by dotted names
IMG2IMG = ("img2img",)
BOTH = ("txt2img", "img2img")


@dataclass(frozen=True, slots=True)
class Argument:
    """One of a script's, by its place."""

    label: str
    read: Callable[[str, Any], Any]
    default: Any
    field: str = ""  # the one of ours that it fills, whose bounds it has
    own: FormField | None = None  # the same of an extension's

    @property
    def declared(self) -> FormField | None:
        return self.own or FIELDS.get(self.field)


@dataclass(frozen=True, slots=True)
class Script:
    name: str  # in small letters, as A1111 lists it
    arguments: tuple[Argument, ...]
    fill: Callable[[Flat, Sequence[Any]], None]  # the arguments read
    always_on: bool = False
    tabs: tuple[str, ...] = IMG2IMG
    keys: tuple[str, ...] = ()  # of the arguments, where one object may stand for them all


def anything(name: str, value: Any) -> Any:
    """As it came; whoever takes the request checks it."""
    return value

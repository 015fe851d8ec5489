"""Extensions' controls as A1111's scripts: each group one that is always on, by the group's name;
and A1111's own scripts that ship here as extensions, by A1111's names and arguments.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from webui.api.sdapi import reading
from webui.api.sdapi.script import BOTH, Argument, Flat, Script, anything
from webui.interfaces.server_hooks import ControlGroup

Groups = Mapping[str, ControlGroup]


def _fill(group: str, names: Sequence[str], flat: Flat, given: Sequence[Any]) -> None:
    flat |= {f"extras.{group}.{name}": value for name, value in zip(names, given, strict=True)}


def _matrix(flat: Flat, given: Sequence[Any]) -> None:
    first, seeds, side, joint, _ = given
    _fill(
        "prompt_matrix",
        ("on", "first", "seeds", "side", "joint"),
        flat,
        (True, first, seeds, "negative prompt" if side == "negative" else "prompt", joint),
    )


def _lines(flat: Flat, given: Sequence[Any]) -> None:
    count, same, _, lines = given
    on = bool(lines.strip())
    names = ("on", "lines", "seeds")
    _fill("prompts_from_file", names, flat, (on, lines, count and not same))


def _entry(*known: str) -> Any:
    return lambda name, value: reading.entry(name, value, known)


_OURS: Mapping[str, Script] = {  # by the group that it needs
    "prompt_matrix": Script(
        "prompt matrix",
        (
            Argument("Put variable parts at start of prompt", reading.flag, False),
            Argument("Use different seed for each picture", reading.flag, False),
            Argument("Select prompt", _entry("positive", "negative"), "positive"),
            Argument("Select joining char", _entry("comma", "space"), "comma"),
            Argument("Grid margins (px)", anything, 0),
        ),
        _matrix,
        tabs=BOTH,
    ),
    "prompts_from_file": Script(
        "prompts from file or textbox",
        (
            Argument("Iterate seed every line", reading.flag, False),
            Argument("Use same random seed for all lines", reading.flag, False),
            Argument("Insert prompts at the", anything, "start"),
            Argument("List of prompt inputs", reading.text, ""),
        ),
        _lines,
        tabs=BOTH,
    ),
}


def of_groups(groups: Groups) -> list[Script]:
    """Those that A1111 has under names of its own first."""
    return [
        *(script for group, script in _OURS.items() if group in groups),
        *(_always(each) for each in groups.values()),
    ]


def _always(group: ControlGroup) -> Script:
    names = tuple(each.name for each in group.fields)
    return Script(
        group.name.casefold(),
        tuple(Argument(each.label, anything, each.default, own=each) for each in group.fields),
        partial(_fill, group.name, names),
        always_on=True,
        tabs=tuple(tab for tab in BOTH if tab in group.tabs),
        keys=names,
    )

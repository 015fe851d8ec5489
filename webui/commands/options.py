"""The options of both commands: every field of a request, and those of the server they may start.

Imports the standard library alone, so that a mistake is said before anything is installed.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui import settings
from webui.errors import InvalidRequest
from webui.fields import (
    OWN_SIGMAS,
    ChoiceField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
)
from webui.fields.flags import FLAGS, PICTURES, flag_of, group_of

COMMANDS = ("generate", "batch")
_SEEDS = ("seed", "variation.seed")  # -1 draws one
_FIELD = "field "  # before a field's name, among the names of what was parsed
_EXITS = (
    "Exit codes: 0 done, 1 a job failed, 2 wrong options or a refused request, 3 no server, "
    "130 Ctrl+C, which cancels the job."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command line says."""

    command: str
    values: Mapping[str, Any]  # the request's fields by name
    file: str  # of batch: its path, or "-"
    out: Path | None
    folder: bool  # `out` is one, also if it is not there yet
    server: str | None
    login: str | None
    quiet: bool
    again: bool
    settings: tuple[str, ...]  # arguments of the server


def read(argv: Sequence[str]) -> Asked:
    """Ends the process with what is wrong, as argparse does, or with the help."""
    command = argv[0] if argv else ""
    made = parser(command)
    given = vars(made.parse_args(argv[1:]))
    values = {name.removeprefix(_FIELD): given.pop(name) for name in list(given) if _FIELD in name}
    if command == "generate" and not {"prompt", "upscale.picture", "init.picture"} & values.keys():
        made.error('say what to make: python launch.py generate "a red fox"')
    if problem := _halves(values):
        made.error(problem)
    return Asked(
        command=command,
        values=values,
        file=given.pop("file", ""),
        out=Path(out) if (out := given.pop("out")) else None,
        folder=bool(out) and out.endswith(("/", os.sep)),
        server=given.pop("server"),
        login=given.pop("login"),
        quiet=given.pop("quiet"),
        again=given.pop("again", False),
        settings=tuple(_arguments(given)),
    )


def parser(command: str) -> argparse.ArgumentParser:
    """Of one of the commands, with the options of the server that may have to be started."""
    if command not in COMMANDS:
        raise ValueError(command)
    what = "[PROMPT] [options]" if command == "generate" else "FILE [options]"
    made = argparse.ArgumentParser(
        prog=f"launch.py {command}",
        usage=f"python launch.py {command} {what}",
        description=_DESCRIPTIONS[command],
        epilog=_EXITS,
        allow_abbrev=False,
        parents=[settings.parser()],
        add_help=False,  # the server's parser brings it
        argument_default=argparse.SUPPRESS,
    )
    if command == "batch":
        made.add_argument("file", metavar="FILE", help="a request as JSON in each line; -: stdin")
    _add_own(made, command)
    if command == "generate":
        _add_fields(made)
    return made


_DESCRIPTIONS = {
    "generate": "Makes pictures with a server that runs, or with one that is started for it. "
    "Fields that are not given are the server's defaults.",
    "batch": "Makes the pictures of many requests, one in each line of a file. All lines are "
    "checked before the first is begun; a job that fails does not stop the others; the same file "
    "again goes on where it was.",
}


def _add_own(made: argparse.ArgumentParser, command: str) -> None:
    group = made.add_argument_group("command")
    out = (
        "file for the picture; with / at its end, a folder"
        if command == "generate"
        else "folder for the pictures"
    )
    group.add_argument("--out", metavar="PATH", default=None, help=out)
    group.add_argument(
        "--server",
        metavar="ADDRESS",
        default=None,
        help="the server to use (environment: DARKROOM_SERVER); else the one that runs on the data "
        "folder, else one that is started and stopped again",
    )
    group.add_argument(
        "--login",
        metavar="NAME:PASSWORD",
        default=None,
        help="for a server with a login; better in the environment, as DARKROOM_LOGIN",
    )
    group.add_argument("--quiet", action="store_true", default=False, help="no progress on stderr")
    if command == "batch":
        group.add_argument(
            "--again",
            action="store_true",
            default=False,
            help="makes all pictures anew, those of an earlier run of the same lines too",
        )


def _add_fields(made: argparse.ArgumentParser) -> None:
    groups: dict[str, Any] = {}
    for name, field in FLAGS.items():
        title = group_of(name)
        group = groups.setdefault(title, None) or made.add_argument_group(title)
        groups[title] = group
        if name == "prompt":
            group.add_argument(
                _FIELD + name, metavar="PROMPT", nargs="?", type=_reader(field), help=_help(field)
            )
        elif isinstance(field, FlagField):
            group.add_argument(
                flag_of(name), dest=_FIELD + name, action="store_true", help=_help(field)
            )
        else:
            group.add_argument(
                flag_of(name),
                dest=_FIELD + name,
                metavar=_metavar(field),
                type=_reader(field),
                help=_help(field),
            )


def _help(field: FormField) -> str:
    said = [f"{field.label}: {field.help}"]
    if isinstance(field, IntegerField | NumberField):
        said.append(f"From {field.minimum} to {field.maximum}.")
    if isinstance(field, ChoiceField) and field.choices:
        said.append(f"One of: {', '.join(field.choices)}.")
    if field.name in _SEEDS:
        said.append("Without it, or with -1, a random one.")
    return " ".join(said).replace("%", "%%")


def _metavar(field: FormField) -> str:
    if field.name in PICTURES:
        return "FILE"
    kinds = {IntegerField: "N", NumberField: "X", ChoiceField: "NAME", TextField: "TEXT"}
    return next(text for kind, text in kinds.items() if isinstance(field, kind))


def _reader(field: FormField) -> Callable[[str], Any]:
    """Reads the text after a flag. What it raises argparse says, with the flag."""

    def read(text: str) -> Any:
        try:
            value = _value(field, text)
            if not (field.name in _SEEDS and value == -1):
                field.check(value)
        except InvalidRequest as error:
            raise argparse.ArgumentTypeError(error.problem) from None
        return levels(text) if field is OWN_SIGMAS else value

    return read


def _value(field: FormField, text: str) -> Any:
    for kind, number in ((IntegerField, int), (NumberField, float)):
        if isinstance(field, kind):
            try:
                return number(text)
            except ValueError:
                return text  # which the check then refuses by name
    return text


def levels(text: str) -> list[float]:
    """Own noise levels, with commas or spaces between."""
    try:
        return [float(each) for each in text.replace(",", " ").split()]
    except ValueError:
        raise argparse.ArgumentTypeError("must be numbers with commas between") from None


def _halves(values: Mapping[str, Any]) -> str | None:
    """What is wrong with fields that make no sense without another one."""
    sizes = [f"seed_resize.{side}" for side in ("width", "height")]
    if len(missing := [name for name in sizes if name not in values]) == 1:
        return f"{flag_of(missing[0])} is missing: give both sides or none"
    for part, needed in _NEEDED.items():
        given = next((name for name in values if name.startswith(f"{part}.")), None)
        if given is not None and needed not in values:
            return f"{flag_of(given)} needs {flag_of(needed)}"
    return None


_NEEDED = {
    "init.mask": "init.mask.picture",
    "init": "init.picture",
    "upscale": "upscale.picture",
    "variation": "variation.strength",
}


def _arguments(given: Mapping[str, Any]) -> list[str]:
    """What was said of the server, as its own arguments."""
    said = []
    for name, value in given.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            said.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            said.append(f"--{flag}={value}")
    return said

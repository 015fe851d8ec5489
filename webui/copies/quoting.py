"""Text from anywhere as a word of a shell, of Python, of JSON: whatever is in it stays text.

What cannot be printed is always written as an escape: a terminal that a copy is pasted into would
obey it, and an eye would not see it.
"""

import json
import re
import shlex
from typing import Any

_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "'": r"\'", "\\": r"\\"}


def shell(text: str) -> str:
    """One word of bash, zsh and ksh; where nothing needs escaping of any POSIX shell."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_escaped(each) for each in text) + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    # byte by byte: \u means another thing in some of these shells
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not text.isprintable():
        text = json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f")
    return text


def python(value: Any, indent: int = 0) -> str:
    """A literal; a mapping with something in it over several lines, indented by `indent`."""
    if isinstance(value, dict) and value:
        inside = " " * (indent + 4)
        lines = [f"{inside}{name!r}: {python(each, indent + 4)},\n" for name, each in value.items()]
        return "{\n" + "".join(lines) + " " * indent + "}"
    return repr(value)


def comment(text: str) -> list[str]:
    """Lines of a comment; nothing in the text can end it."""
    plain = re.sub(r"\s+", " ", text)
    shown = "".join(each if each.isprintable() else "?" for each in plain)
    lines, line = list[str](), "#"
    for word in shown.split(" "):
        if len(line) + len(word) > 98 and line != "#":
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]

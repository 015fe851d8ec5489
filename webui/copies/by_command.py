"""A request as a command line: `python launch.py generate`."""

from typing import Any

from webui.copies.asked import Asked
from webui.copies.quoting import shell
from webui.fields.flags import FLAGS, flag_of
from webui.request.dotted import flat

_WIDTH = 88  # characters of a line, as far as it goes


def command(asked: Asked, address: str) -> str:
    """What has no flag is left out; `unsaid` names it. With an `address` it asks the server there,
    else the one of the project's own data folder."""
    words = ["python launch.py generate"]
    prompt = str(asked.said.get("prompt", ""))
    if prompt and not prompt.startswith("-"):
        words += [shell(prompt)]
    for name, value in flat(asked.said).items():
        if name in FLAGS and name != "prompt":
            words += [_option(flag_of(name), value)]
    words += [f"--out {'picture.png' if asked.request.images == 1 else 'pictures/'}"]
    if address:
        words += [f"--server {shell(address.rstrip('/'))}"]
    if prompt.startswith("-"):
        words += [f"-- {shell(prompt)}"]
    return _wrapped(words) + "\n"


def unsaid(asked: Asked) -> list[str]:
    """The fields that no flag can say."""
    return [name for name in flat(asked.said) if name not in FLAGS]


def _option(flag: str, value: Any) -> str:
    if value is True:
        return flag
    if isinstance(value, list):
        value = ",".join(repr(each) for each in value)
    text = str(value)
    return f"{flag}={shell(text)}" if text.startswith("-") else f"{flag} {shell(text)}"


def _wrapped(words: list[str]) -> str:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > _WIDTH:
            lines[-1] += " \\"
            lines.append(" ")
        lines[-1] += f" {word}"
    return "\n".join(lines)

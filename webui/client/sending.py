"""Pictures on their way to the server: a file, bytes, a Pillow picture, or one it has already."""

import io
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from webui.client.connection import Connection
from webui.errors import InvalidRequest

SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
# where a request names pictures
PLACES = (
    ("init", "picture"),
    ("init", "mask", "picture"),
    ("hires", "picture"),
    ("upscale", "picture"),
)


class Drawn(Protocol):
    """What Pillow's pictures can do."""

    def save(self, fp: Any, format: str) -> None: ...


Sendable = str | PathLike[str] | bytes | Drawn  # text: a path, or the sha256 of one sent before


def sent(connection: Connection, picture: Sendable, field: str = "picture") -> str:
    """The sha256 by which requests name it; it is sent unless that is what was given.

    Raises InvalidRequest, for `field`, for a file that cannot be read.
    """
    if isinstance(picture, str) and SHA256.fullmatch(picture):
        return picture
    data = read(picture, field)
    try:
        answer = connection.send("inputs", data, "image/png")  # the server looks for itself
    except InvalidRequest as error:
        raise InvalidRequest(field, error.problem) from None
    return str(answer["sha256"])


def read(picture: Sendable, field: str = "picture") -> bytes:
    """Its file's bytes. Raises InvalidRequest."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        try:
            return Path(picture).read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InvalidRequest(field, f"{picture} cannot be read: {why}") from error
    if not hasattr(picture, "save"):
        raise InvalidRequest(field, f"must be a path, bytes or a picture, got {type(picture)}")
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def with_pictures_sent(connection: Connection, request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with each picture's sha256 in its place."""
    made = dict(request)
    for place in PLACES:
        made = _replaced(connection, made, place, ".".join(place))
    return made


def _replaced(
    connection: Connection, values: Mapping[str, Any], place: tuple[str, ...], field: str
) -> dict[str, Any]:
    made, (name, *deeper) = dict(values), place
    if name not in made or made[name] is None:
        return made
    if not deeper:
        made[name] = sent(connection, made[name], field)
    elif isinstance(made[name], Mapping):
        made[name] = _replaced(connection, made[name], tuple(deeper), field)
    return made

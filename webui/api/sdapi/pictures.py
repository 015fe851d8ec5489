"""Pictures of a call on their way into the input store, and of a job on their way out."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from webui import pictures
from webui.api.routes.pictures import contained
from webui.api.sdapi import reading
from webui.errors import InvalidRequest, NotSaved
from webui.events import Saved
from webui.inputs import Inputs, Kept

_OPAQUE = 128  # of a mask in a picture's transparency: above it, it is repainted


@dataclass(frozen=True, slots=True)
class Sent:
    """A finished picture, as a client gets it."""

    base64: str
    infotext: str


def keep_picture(inputs: Inputs, name: str, value: object) -> Kept:
    """Of base64. Raises InvalidRequest, naming the field `name`, and NotSaved."""
    data = reading.picture(name, value)
    try:
        return inputs.add(data)
    except InvalidRequest as error:
        raise InvalidRequest(name, error.problem) from None


def keep_mask(inputs: Inputs, value: object, size: tuple[int, int], hard: bool) -> Kept:
    """In the picture's `size`; where it is transparent, its transparency is the mask, as in
    A1111: `hard` without half-tones. Raises InvalidRequest, NotSaved."""
    data = reading.picture("mask", value)
    try:
        image = pictures.plain(data).image
    except InvalidRequest as error:
        raise InvalidRequest("mask", error.problem) from None
    if image.mode == "RGBA":
        image = image.getchannel("A")
        if hard:
            image = image.point(lambda level: 255 if level > _OPAQUE else 0)
    image = image.convert("L")
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return inputs.keep(image)


def sent(outputs: Path, saved: Saved) -> Sent:
    """Its file as it was saved. Raises NotSaved if it is gone."""
    path = contained(outputs, saved.path)
    try:
        data = path.read_bytes() if path else b""
    except OSError:
        data = b""
    if not data:
        raise NotSaved(f"the picture {saved.path} was saved, but is not there any more")
    return Sent(base64.b64encode(data).decode(), pictures.look(data).parameters or "")


def remove(outputs: Path, saved: Sequence[Saved]) -> None:
    """The files of pictures that nobody wants kept."""
    for each in saved:
        path = contained(outputs, each.path)
        if path is not None:
            path.unlink(missing_ok=True)


def again(inputs: Inputs, sha256: str) -> str | None:
    """A picture that a call brought, as base64; None if it is gone."""
    path = inputs.path(sha256)
    try:
        return base64.b64encode(path.read_bytes()).decode() if path else None
    except OSError:
        return None

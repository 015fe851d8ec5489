"""Messages between server and engine: JSON heads with raw pictures behind, framed by length.

Never pickle: each side only ever builds the value types it knows. Both sides read and write plain
binary streams and know nothing of each other beyond these messages.

    4 bytes   length of the head, big endian
    head      JSON object; its key "blobs" lists the lengths of the blobs
    blobs     raw bytes, one after the other

Server to engine   {"run": id, "request": {...}, "options": {...}} · {"call": n, "name", "args"}
Engine to server   {"hello": {...}} · {"beat": true} · {"event": {...}} · {"end": id, "error"?}
                   · {"answer": n, "value" | "error"}
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any

from webui.errors import EngineDied
from webui.events import (
    Edited,
    EngineEvent,
    Event,
    Finished,
    Held,
    Picture,
    Preview,
    Queued,
    Rendered,
    Resumed,
    Saved,
    Skipped,
    Stage,
    Started,
    Step,
    Warned,
)
from webui.request import from_dict

_LENGTH = struct.Struct(">I")
_MAX_HEAD = 64 * 2**20  # bytes; no message of ours comes near it

EVENT_TYPES: dict[str, type] = {
    each.__name__: each
    for each in (
        Queued, Held, Edited, Started, Resumed, Stage, Step, Preview, Skipped, Warned, Rendered,
        Saved, Finished,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs to know that does not change the pixels."""

    keep: str | None = None  # folder for the trajectory files of this job; None keeps nothing
    resume: str | None = None  # folder of the trajectory that a branch goes on from
    inputs: str | None = None  # folder of the pictures that requests name by sha256
    first_batch: int = 0  # go on with this batch; from its last kept step, if it has any
    noisy: str | None = None  # preview method for the noisy latent; None draws none
    predicted: str | None = None  # preview method for the predicted picture
    every: int = 1  # preview each so many steps; the last step always
    guidance: bool = False  # keep what each step's guidance was made of, beside the trajectory
    blocks: Sequence[str] = ()  # kinds of tags that extensions take
    # group of controls -> the extension whose engine half it needs, and why that cannot be here, or
    # "" where for all that the server knows it can
    halves: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    head: dict[str, Any]
    blobs: tuple[bytes, ...] = ()


def write(stream: IO[bytes], message: Message) -> None:
    """Sends one message whole. Raises OSError if the other side is gone."""
    head = dict(message.head, blobs=[len(blob) for blob in message.blobs])
    encoded = json.dumps(head).encode()  # ASCII: text may hold half a character
    stream.write(b"".join([_LENGTH.pack(len(encoded)), encoded, *message.blobs]))
    stream.flush()


def read(stream: IO[bytes]) -> Message | None:
    """The next message; None at a clean end. Raises EngineDied on one that is cut or malformed."""
    start = stream.read(_LENGTH.size)
    if not start:
        return None
    (length,) = _LENGTH.unpack(_whole(start, _LENGTH.size))
    if length > _MAX_HEAD:
        raise EngineDied(f"the pipe carried a message head of {length} bytes")
    try:
        head = json.loads(_whole(stream.read(length), length))
        blobs = tuple(_whole(stream.read(size), size) for size in head.pop("blobs"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineDied(f"the pipe carried something that is no message: {error}") from error
    return Message(head, blobs)


def _whole(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise EngineDied("the pipe ended in the middle of a message")
    return data


def event_to_dict(event: Event) -> dict[str, Any]:
    """JSON-ready, with the type under "type"; a picture is left out, its size stays."""
    if isinstance(event, Preview | Rendered):
        event = replace(event, picture=replace(event.picture, rgb=b"", alpha=b""))
    values = asdict(event)
    if "picture" in values:
        del values["picture"]["rgb"], values["picture"]["alpha"]
    return {"type": type(event).__name__, **values}


def event_message(event: EngineEvent) -> Message:
    blobs: tuple[bytes, ...] = ()
    if isinstance(event, Preview | Rendered):
        picture = event.picture
        blobs = (picture.rgb, picture.alpha) if picture.alpha else (picture.rgb,)
    return Message({"event": event_to_dict(event)}, blobs)


def message_event(message: Message) -> EngineEvent:
    """The inverse of `event_message`."""
    values = dict(message.head["event"])
    kind = EVENT_TYPES[values.pop("type")]
    if "picture" in values:
        rgb, *alpha = message.blobs
        values["picture"] = Picture(**values["picture"], rgb=rgb, alpha=b"".join(alpha))
    if "request" in values:
        values["request"] = from_dict(values["request"])
    if "notes" in values:
        values["notes"] = tuple(values["notes"])
    event: EngineEvent = kind(**values)
    return event

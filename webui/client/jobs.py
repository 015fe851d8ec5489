"""A job as its client sees it: state, events, pictures, and what can be done with it."""

import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.client.connection import API, Connection, part
from webui.client.errors import JobFailed
from webui.client.sending import with_pictures_sent
from webui.client.stream import Event, Stream
from webui.errors import Failure, InvalidRequest

if TYPE_CHECKING:
    from PIL.Image import Image

ENDED = ("done", "stopped", "cancelled", "failed", "interrupted")
_SUFFIXES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/webp": (".webp",),
    "image/avif": (".avif",),
    "image/gif": (".gif",),
    "video/mp4": (".mp4",),
}


@dataclass(frozen=True, slots=True)
class File:
    """Bytes as the server has them, with all that stands in them."""

    data: bytes = field(repr=False)
    media_type: str  # "image/png"
    name: str = ""  # the server's, without a folder

    @property
    def suffix(self) -> str:
        """The usual one: ".png"."""
        return _SUFFIXES.get(self.media_type, (Path(self.name).suffix or ".bin",))[0]

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the bytes untouched, and says where: into a folder under the server's name.

        Without a suffix it gets the usual one. Raises InvalidRequest, field "path", for a suffix
        of another kind of file, OSError.
        """
        path = Path(path)
        if path.is_dir():
            path = path / (self.name or f"picture{self.suffix}")
        known = _SUFFIXES.get(self.media_type, (self.suffix,))
        if not path.suffix:
            path = path.with_suffix(self.suffix)
        elif path.suffix.lower() not in known:
            raise InvalidRequest(
                "path", f"{path.name}: the file is {self.media_type}; name it {known[0]}"
            )
        path.write_bytes(self.data)
        return path

    def pil(self) -> "Image":
        """As a Pillow picture; needs Pillow, which nothing else here does."""
        from PIL import Image

        return Image.open(io.BytesIO(self.data))


Frame = File  # of a step


@dataclass(frozen=True, slots=True)
class Picture:
    """A saved picture; its bytes come when they are asked for."""

    connection: Connection = field(repr=False)
    image: int  # 0-based; -1 is the grid of all
    path: str  # in the server's folder of pictures
    url: str = field(repr=False)
    width: int  # pixels
    height: int
    seconds: float  # it took
    seed: int
    recipe: str = field(repr=False)  # A1111's text of parameters

    def file(self) -> File:
        data, media_type = self.connection.download(self.url.lstrip("/").removeprefix(API))
        return File(data, media_type, self.path.rpartition("/")[2])

    def bytes(self) -> bytes:
        return self.file().data

    def pil(self) -> "Image":
        """As a Pillow picture."""
        return self.file().pil()

    def save(self, path: str | PathLike[str]) -> Path:
        """As `File.save`: recipe and all, untouched."""
        return self.file().save(path)


class Job:
    """What the server said of it last; `refresh` asks again."""

    def __init__(self, connection: Connection, values: Mapping[str, Any], patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self.values: Mapping[str, Any] = values  # as in docs/api.md

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state}>"

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def state(self) -> str:
        """queued, paused, running, or how it ended."""
        return str(self.values["state"])

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def request(self) -> Mapping[str, Any]:
        """Complete: with the seed, the model and all defaults."""
        request: Mapping[str, Any] = self.values["request"]
        return request

    @property
    def failure(self) -> Failure | None:
        """What it ended with, if it went wrong."""
        error = self.values["error"]
        return Failure(error["kind"], error["text"], error["field"]) if error else None

    @property
    def pictures(self) -> list[Picture]:
        """Those that are saved, by their number; without the grid."""
        return sorted((each for each in self._saved() if each.image >= 0), key=_number)

    @property
    def grid(self) -> Picture | None:
        """All pictures on one sheet, where there are several."""
        return next((each for each in self._saved() if each.image < 0), None)

    def _saved(self) -> list[Picture]:
        names = ("image", "path", "url", "width", "height", "seconds", "seed", "recipe")
        return [
            Picture(self._connection, **{name: each[name] for name in names})
            for each in self.values["pictures"]
        ]

    # --- looking --------------------------------------------------------------------------------

    def refresh(self) -> "Job":
        """Asks the server how it stands; returns itself."""
        self.values = self._connection.get(self._path())
        return self

    def events(self, after: str = "") -> Iterator[Event]:
        """From the first one on, or after that id, until it has ended.

        A connection that breaks is made again. After a restart of the server the events begin
        anew. Raises ServerUnreachable, JobNotFound.
        """
        yield from Stream(self._connection, self._path("events"), self._patience, after)
        self.refresh()

    def wait(self, timeout: float | None = None, *, resume: bool = False) -> "Job":
        """Waits for its end; returns itself.

        With `resume` a job that was interrupted is resumed as often as it takes. Raises JobFailed
        if it failed or was interrupted, TimeoutError after `timeout` seconds, ServerUnreachable.
        """
        end = None if timeout is None else time.monotonic() + timeout
        after = ""
        while True:
            stream = Stream(self._connection, self._path("events"), self._patience, after, end)
            try:
                for _ in stream:
                    pass
            except TimeoutError:
                said = f"job {self.id} is {self.refresh().state} after {timeout:g} seconds"
                raise TimeoutError(said) from None
            self.refresh()
            if self.state != "interrupted" or not resume:
                break
            after = stream.last_id
            self.resume()
        return self.checked()

    def checked(self) -> "Job":
        """Itself. Raises JobFailed if it failed or was interrupted."""
        if self.state in ("failed", "interrupted"):
            raise JobFailed(self, self.failure or Failure("Interrupted", "it can be resumed"))
        return self

    def trajectory(self, image: int = 0) -> Mapping[str, Any]:
        """The kept steps of a picture, as docs/api.md has them."""
        found: Mapping[str, Any] = self._connection.get(self._path("trajectory"), {"image": image})
        return found

    def frame(
        self,
        step: int,
        kind: str = "predicted",
        *,
        batch: int = 0,
        position: int | None = None,
        method: str = "fast",
    ) -> Frame:
        """A step (from 1) as a picture: `kind` predicted or noisy, `method` fast or vae."""
        query = {"method": method, "position": position}
        path = self._path(f"frames/{batch}/{step}/{part(kind)}")
        return File(*self._connection.download(path, query))

    def export(self, image: int = 0, format: str = "mp4", **options: Any) -> File:
        """The denoising as mp4, webp, gif or sheet; `options` as in docs/api.md."""
        query = {"image": image, "format": format, **options}
        return File(*self._connection.download(self._path("export"), query))

    def recipe(self) -> Mapping[str, Any]:
        """Its request by the form's names."""
        found: Mapping[str, Any] = self._connection.get(self._path("recipe"))
        return found

    # --- ending it --------------------------------------------------------------------------------

    def stop(self) -> "Job":
        """Ends it with what there is: the batch in hand is decoded as it is."""
        return self._told("stop")

    def cancel(self) -> "Job":
        """Ends it and throws unfinished pictures away."""
        return self._told("cancel")

    def skip(self, batch: int | None = None) -> "Job":
        """Leaves out the batch in hand, or only if it is that one; goes on with the next."""
        return self._told("skip", {} if batch is None else {"batch": batch})

    # --- in the line ------------------------------------------------------------------------------

    def edit(self, **changes: Any) -> "Job":
        """Changes fields of its request, while it waits."""
        changes = with_pictures_sent(self._connection, changes)
        self.values = self._connection.patch(self._path(), {"request": changes})
        return self

    def move(
        self, to: str = "", *, before: "Job | None" = None, after: "Job | None" = None
    ) -> "Job":
        """To the "front" or the "back" of the line, or next to another job."""
        places = {"to": to, "before": before and before.id, "after": after and after.id}
        return self._told("move", {name: place for name, place in places.items() if place})

    def pause(self) -> "Job":
        """Holds it back while others pass."""
        return self._told("pause")

    def resume(self) -> "Job":
        """Lets it run: a held back one, or an interrupted one after its last kept step."""
        return self._told("resume")

    def retry(self, id: str | None = None) -> "Job":
        """It has ended; the same request as a new job."""
        return self._made(self._connection.post(self._path("retry"), {"id": id} if id else {}))

    def duplicate(self, *, id: str | None = None, **changes: Any) -> "Job":
        """A new job with its request, some fields changed."""
        body = {"request": with_pictures_sent(self._connection, changes)}
        return self._made(
            self._connection.post(self._path("duplicate"), body | ({"id": id} if id else {}))
        )

    def branch(self, step: int, *, image: int = 0, id: str | None = None, **changes: Any) -> "Job":
        """A new job that goes on from a kept step of a picture, as docs/branching.md says."""
        body = {"image": image, "step": step, "changes": changes} | ({"id": id} if id else {})
        return self._made(self._connection.post(self._path("branch"), body))

    def drop(self) -> "Job":
        """It has ended; takes it off the list. Its pictures stay."""
        return self._told("drop")

    def _told(self, verb: str, body: Mapping[str, Any] | None = None) -> "Job":
        self.values = self._connection.post(self._path(verb), body or {})
        return self

    def _made(self, values: Mapping[str, Any]) -> "Job":
        return Job(self._connection, values, self._patience)

    def _path(self, more: str = "") -> str:
        return f"jobs/{part(self.id)}" + (f"/{more}" if more else "")


def _number(picture: Picture) -> int:
    return picture.image

"""What happened in each job, numbered, with the frames drawn meanwhile; in memory, bounded.

Readers ask for what came after the last number they have, of one job or of all together; who has
nothing to read may wait to be told. Knows neither the store nor the line: a job is "in the log"
from its first event until it has ended and newer ones need the room.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from PIL import Image

from webui.events import Event, Finished, Look, Picture, Preview
from webui.jobs.job import Frame

_LATENT = 128  # pixels; latents are at most this high, and a batch stands side by side
_BATCH = 8
_LONGEST = 512  # pixels, of a JPEG frame
_LOOK_BACK = 20  # events, for the newest preview
_RECENT = 20_000  # events of all jobs together that can be read as one stream


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the stream of all jobs."""

    number: int  # in the stream, from 1
    job_id: str
    seq: int  # in its job, from 1
    event: Event


@dataclass(slots=True)
class _Entry:
    events: list[Event] = field(default_factory=list)  # sequence number = index + 1
    frames: dict[Hashable, Frame] = field(default_factory=dict)
    ended: bool = False


class Log:
    """Any thread may call. `frame_bytes` is kept to, also by a single job; `ended_jobs` too."""

    def __init__(self, frame_bytes: int = 256 * 2**20, ended_jobs: int = 200) -> None:
        self._frame_bytes = frame_bytes
        self._ended_jobs = ended_jobs
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._ended: list[str] = []  # oldest first
        self._used = 0  # bytes of all frames
        self._recent: deque[Entry] = deque(maxlen=_RECENT)
        self._total = 0  # events there ever were
        self._watchers: tuple[Callable[[], None], ...] = ()
        self.closed = False  # nobody should wait for more

    def append(self, job_id: str, event: Event) -> int:
        """The sequence number, from 1. Pixels of a preview go to the frames, not to the log."""
        frame = None
        if isinstance(event, Preview):
            frame = encode(event.picture)
            event = replace(event, picture=replace(event.picture, rgb=b""))
        with self._lock:
            entry = self._entries.setdefault(job_id, _Entry())
            seq = self._number(job_id, entry, event)
            if isinstance(event, Preview) and frame is not None:
                key = Look(event.batch, event.step, event.kind, event.method, turn=event.turn)
                self._used += len(frame.data) - len(entry.frames.pop(key, Frame(b"", "")).data)
                entry.frames[key] = frame
                self._make_room(entry)
            self._note_end(job_id, entry, isinstance(event, Finished))
        for watcher in self._watchers:
            watcher()
        return seq

    def close(self) -> None:
        """Tells all who watch that they should not wait for more."""
        self.closed = True
        for watcher in self._watchers:
            watcher()

    def newest(self, job_id: str) -> Preview | None:
        """The newest preview of a job whose frame is here; of the two kinds the predicted one."""
        with self._lock:
            entry = self._entries.get(job_id)
            found: Preview | None = None
            for event in reversed(entry.events[-_LOOK_BACK:] if entry else []):
                if isinstance(event, Preview):
                    if event.kind == "predicted":
                        return event
                    found = found or event
            return found

    def restore(self, job_id: str, events: Sequence[Event]) -> None:
        """What happened in a job before, unless it is in the log."""
        with self._lock:
            if job_id not in self._entries:
                self._entries[job_id] = _Entry(list(events))

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """`watcher()` is called after each event, by whoever appends; it must not wait. Returns
        what ends it."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)

        def unwatch() -> None:
            with self._lock:
                self._watchers = tuple(each for each in self._watchers if each is not watcher)

        return unwatch

    def read_all(self, after: int, most: int = _RECENT) -> tuple[list[Entry], int]:
        """What came after number `after` in all jobs, the first `most` of it, and the last number
        of all.

        Who comes too late for some of it sees that from the first number.
        """
        with self._lock:
            missing = min(max(0, self._total - after), len(self._recent))
            return [self._recent[index] for index in range(-missing, min(0, most - missing))], (
                self._total
            )

    def read(
        self, job_id: str, after: int, most: int | None = None
    ) -> tuple[list[tuple[int, Event]], int] | None:
        """(number, event) of the events after number `after`, at most so many, and the last number
        of all.

        None if the job is not in the log.
        """
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None:
                return None
            first = max(after, 0)
            end = None if most is None else first + most
            return list(enumerate(entry.events[first:end], first + 1)), len(entry.events)

    def frame(self, job_id: str, look: Look) -> Frame | None:
        with self._lock:
            entry = self._entries.get(job_id)
            return entry.frames.get(look) if entry else None

    def _number(self, job_id: str, entry: _Entry, event: Event) -> int:
        entry.events.append(event)
        self._total += 1
        self._recent.append(Entry(self._total, job_id, len(entry.events), event))
        return len(entry.events)

    def _note_end(self, job_id: str, entry: _Entry, ended: bool) -> None:
        """A job that was interrupted may go on, and end again."""
        if entry.ended == ended:
            return
        entry.ended = ended
        if not ended:
            with suppress(ValueError):
                self._ended.remove(job_id)
            return
        self._ended.append(job_id)
        if len(self._ended) > self._ended_jobs:
            self._forget(self._ended[0])

    def _make_room(self, entry: _Entry) -> None:
        """Frames go oldest job first; the job at hand gives its own oldest only when alone."""
        for job_id in self._ended:
            if self._used <= self._frame_bytes:
                return
            self._drop_frames(self._entries[job_id])
        while self._used > self._frame_bytes and len(entry.frames) > 1:
            self._used -= len(entry.frames.pop(next(iter(entry.frames))).data)

    def _forget(self, job_id: str) -> None:
        self._ended.remove(job_id)
        self._drop_frames(self._entries.pop(job_id))

    def _drop_frames(self, entry: _Entry) -> None:
        self._used -= sum(len(frame.data) for frame in entry.frames.values())
        entry.frames.clear()


def encode(picture: Picture, longest: int = _LONGEST) -> Frame:
    """PNG at latent size, which the browser scales up; bigger ones JPEG of at most `longest` px.

    Raises ValueError if the picture has not the bytes it should have.
    """
    image = Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
    buffer = io.BytesIO()
    if picture.height <= _LATENT and picture.width <= _LATENT * _BATCH:
        image.save(buffer, "PNG", compress_level=1)
        return Frame(buffer.getvalue(), "image/png")
    image.thumbnail((longest, longest))
    image.save(buffer, "JPEG", quality=80)
    return Frame(buffer.getvalue(), "image/jpeg")

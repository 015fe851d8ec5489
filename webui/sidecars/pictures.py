"""Preview pictures: made anew and small, because those that lie there came from anywhere."""

import io
import stat
import threading
from collections import OrderedDict
from pathlib import Path

from webui import pictures
from webui.errors import InvalidRequest

SIDE = 448  # pixels, the longer one
_MOST = 32 * 2**20  # bytes of a file
_MOST_PIXELS = 2**25
_QUALITY = 82
_KEPT = 400  # some 30 kB each
_AT_ONCE = 2  # decoded


class Previews:
    """Any thread may call."""

    def __init__(self) -> None:
        self._decoding = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int, int], bytes] = OrderedDict()

    def jpeg(self, path: Path) -> bytes | None:
        """The first frame, upright, at most `SIDE` pixels; None for what is no picture that can
        be shown."""
        try:
            found = path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
            return None
        key = (path, found.st_mtime_ns, found.st_size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._decoding:
            made = _made(path)
        if made is not None:
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return made


def _made(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST)
        header = pictures.look(data)
        if header.width * header.height > _MOST_PIXELS:
            return None
        image = pictures.decode(data)
    except (OSError, InvalidRequest):
        return None
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()

"""The list of LoRAs: where they lie, what they are called, and each one's entry.

Looks at the folders each time; what a header said is kept while its file stays as it is. Names are
looked up in the list, never joined to a path.
"""

import hashlib
import threading
import time
from collections import Counter
from pathlib import Path

from webui import model_folders
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.files import printable, stamp
from webui.library import ModelEntry
from webui.library.problem import ProblemError
from webui.loras.entries import LoraEntry, Stamp
from webui.loras.report import entry
from webui.prompt import lora_uses, understand
from webui.prompt.loras import KINDS
from webui.safetensors_header import HeaderError, read
from webui.weight_files import PICKLES, SUFFIX, plain, refuse_pickle

_MOST_FILES = 20_000
_CHUNK = 2**20  # bytes


class Loras:
    """Any thread may call."""

    def __init__(self, *models_dirs: Path) -> None:
        self._roots = models_dirs
        self._lock = threading.Lock()
        self._read: dict[Stamp, LoraEntry] = {}
        self._hashes: dict[Stamp, str] = {}
        self._reader: threading.Thread | None = None

    def names(self) -> list[str]:
        """Of all that can be written in a prompt; no file is opened."""
        return [name for name, path in self._files() if _is_one(name, path)]

    def entries(self) -> list[LoraEntry]:
        """By name."""
        found = [self._entry(name, path) for name, path in self._files()]
        there = {each.stamp for each in found}
        with self._lock:
            self._read = {key: each for key, each in self._read.items() if key in there}
        return found

    def within(self, seconds: float) -> list[LoraEntry]:
        """By name; those for whose headers there is no time are unread, and a thread goes on."""
        until, found = time.monotonic() + seconds, []
        for name, path in self._files():
            key = (str(path), *stamp(path))
            if key in self._read or time.monotonic() < until:
                found.append(self._entry(name, path))
            else:
                found.append(
                    LoraEntry(
                        name=printable(name), path=path, stamp=key, size_bytes=key[2], unread=True
                    )
                )
        if any(each.unread for each in found):
            self._go_on_reading()
        return found

    def _go_on_reading(self) -> None:
        with self._lock:
            if self._reader is None or not self._reader.is_alive():
                self._reader = threading.Thread(target=self.entries, name="loras", daemon=True)
                self._reader.start()

    def find(self, name: str) -> LoraEntry | None:
        """The one that a prompt calls so: by its name, its file's name without the suffix, with
        its folders or without, or what its trainer called it; capitals do not matter where only
        one fits. None if it is none, or more than one."""
        wanted = name.replace("\\", "/").removesuffix(SUFFIX)
        files = [(each, path) for each, path in self._files() if _is_one(each, path)]
        for spelled in (_as_it_is, str.casefold):
            for part in (_as_it_is, _stem):
                near = [each for each in files if part(spelled(each[0])) == spelled(wanted)]
                if len(near) == 1:
                    return self._entry(*near[0])
        called = [each for each in self.entries() if each.alias == name]
        return called[0] if len(called) == 1 else None

    def hash(self, entry: LoraEntry) -> str:
        """sha256 of what is behind the header, as A1111 and Kohya name a LoRA. Raises OSError."""
        known = self._hashes.get(entry.stamp)
        if known is None:
            known = self._hashes[entry.stamp] = _hash(entry.path)
        return known

    def misfit(self, name: str, model: ModelEntry) -> str | None:
        """Why `<lora:name:1>` cannot be made with a model, as a sentence without its point."""
        found = self.find(name)
        if found is None:
            return self._missing(name)
        if problem := found.misfit(model):
            return f"the LoRA {shown(name)} cannot be used: {problem}"
        return None

    def _missing(self, name: str) -> str:
        stem = _stem(name.replace("\\", "/")).casefold()
        same = [each for each in self._files() if _stem(each[0]).casefold() == stem]
        usable = [each for each, path in same if _is_one(each, path)]
        if len(usable) > 1:
            tags = ", ".join(f"<lora:{each}:1>" for each in usable[:5])
            return f"there are {len(usable)} LoRAs {shown(name)}: {tags}"
        if same and not usable:
            return f"the LoRA {shown(name)} cannot be used: {self._entry(*same[0]).problem}"
        return f"there is no LoRA {shown(name)}{self._near(name)}"

    def _near(self, name: str) -> str:
        names = self.names()
        plain = name.casefold()
        near = [each for each in names if plain in each.casefold() or each.casefold() in plain]
        there = ", ".join((near or names)[:5])
        return f"; there {'are' if ',' in there else 'is'} {there}" if there else ""

    def _files(self) -> list[tuple[str, Path]]:
        """(name, path), by name."""
        found: list[tuple[Path, Path]] = []
        for folder in model_folders.folders(self._roots, "loras"):
            found += [
                (path, path.relative_to(folder).with_suffix(""))
                for path, is_folder in model_folders.walk(folder, ())
                if not is_folder and path.suffix.casefold() in (SUFFIX, *PICKLES)
            ][: _MOST_FILES - len(found)]
        stems = Counter(path.stem.casefold() for path, _ in found)
        named = [
            (path.stem if stems[path.stem.casefold()] == 1 else place.as_posix(), path)
            for path, place in found
        ]
        return sorted(named, key=lambda each: (each[0].casefold(), str(each[1])))

    def _entry(self, name: str, path: Path) -> LoraEntry:
        key: Stamp = (str(path), 0, 0)
        try:
            status = path.stat()
            key = (str(path), status.st_mtime_ns, status.st_size)
            with self._lock:
                known = self._read.get(key)
            if known is None or known.name != name:
                _check(path, name)
                known = entry(name, path, key, read(path))
        except (HeaderError, ProblemError) as error:
            known = LoraEntry(
                name=printable(name), path=path, stamp=key, size_bytes=key[2], problem=str(error)
            )
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
            known = LoraEntry(name=printable(name), path=path, stamp=key, problem=problem)
        with self._lock:
            self._read[key] = known
        return known


def check(loras: Loras, prompt: str, steps: int, model: ModelEntry) -> None:
    """Raises InvalidRequest, field "prompt", for a LoRA in it that cannot be used."""
    if not any(f"<{kind}:" in prompt for kind in KINDS):
        return
    for use in lora_uses(understand(prompt, steps).tags):
        if problem := loras.misfit(use.name, model):
            raise InvalidRequest("prompt", problem)


def _as_it_is(text: str) -> str:
    return text


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _is_one(name: str, path: Path) -> bool:
    """Whether it can be called in a prompt."""
    plain = name.isprintable() and not any(each in name for each in ":<>=")
    return plain and path.suffix.casefold() == SUFFIX


def _check(path: Path, name: str) -> None:
    """Raises HeaderError or ProblemError for what is not even to be opened; OSError."""
    refuse_pickle(path, "docs/models.md")
    plain(path)
    if not _is_one(name, path):
        raise ProblemError("its name cannot be written in a prompt; rename it")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

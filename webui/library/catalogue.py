"""The list of models: where they lie, what they are called, and each one's entry, read once.

Names are looked up in the list, never joined to a path. A folder of thousands is listed at once:
what there is no time to look into is listed unread, and a thread goes on reading.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from webui import model_folders
from webui.errors import ModelNotFound
from webui.fields import shown
from webui.files import printable, stamp
from webui.library import folder, single_file, vaes
from webui.library.entries import ModelEntry, VaeEntry
from webui.library.hashes import Hashes
from webui.library.tiny_decoders import TinyDecoder, TinyDecoders
from webui.weight_files import PICKLES, SUFFIX

PREFERRED = "fluent-emoji"  # what ships
_AT_ONCE = 0.3  # seconds of reading, when a list is asked for
_AFTER = 0.5  # seconds that are left to the answer before the thread goes on
_REST = 0.005  # seconds after each file, for those who wait for the lock
_SUFFIXES = (SUFFIX, *PICKLES)
_VAE = ".vae"  # before the suffix: a VAE that belongs to the checkpoint of that name

Stamp = tuple[tuple[int, int], ...]


class Library:
    """Any thread may call."""

    def __init__(self, *models_dirs: Path, hashes: Path | None = None) -> None:
        """The first folder's models come before those of the same name; `hashes` is a file."""
        self._roots = models_dirs
        self._lock = threading.RLock()
        self._entries: dict[str, ModelEntry] | None = None
        self._vaes: tuple[VaeEntry, ...] = ()
        self._scanned: Stamp = ()  # of the folders, then
        self._read: dict[Path, tuple[Stamp, ModelEntry]] = {}
        self._read_vaes: dict[tuple[Path, tuple[int, int]], VaeEntry] = {}
        self._hashes = Hashes(hashes)
        self._tiny_decoders = TinyDecoders(models_dirs)
        self._reader: threading.Thread | None = None

    @property
    def folder(self) -> Path:
        """Where a new model is looked for first."""
        return self._roots[0] / model_folders.NAMES["checkpoints"][0]

    def entries(self) -> list[ModelEntry]:
        """By name; the folders are read once, until `refresh`."""
        with self._lock:
            entries = self._listed()
            until = time.monotonic() + _AT_ONCE
            for name, entry in entries.items():
                if entry.unread and time.monotonic() < until:
                    entries[name] = self._look_into(entry)
            if any(entry.unread for entry in entries.values()):
                self._go_on_reading()
            return list(entries.values())

    def vaes(self) -> list[VaeEntry]:
        """Separate ones, by name."""
        with self._lock:
            self._listed()
            return list(self._vaes)

    def vae_reports(self) -> list[VaeEntry]:
        """Separate ones, by name, with what their headers say."""
        return [self._vae_report(entry) for entry in self.vaes()]

    def _vae_report(self, entry: VaeEntry) -> VaeEntry:
        key = (entry.path, stamp(entry.path))
        known = self._read_vaes.get(key) or vaes.looked_into(entry)
        self._read_vaes[key] = known
        return replace(known, name=entry.name)

    def vae_beside(self, model: ModelEntry) -> VaeEntry | None:
        """The separate one that goes with a model by its name, with what its header says."""
        if model.vae is None:
            return None
        return self._vae_report(VaeEntry(printable(model.vae.stem), model.vae))

    def tiny_decoders(self) -> tuple[TinyDecoder, ...]:
        """Those for previews that are there now."""
        with self._lock:
            return self._tiny_decoders()

    def refresh(self) -> None:
        with self._lock:
            self._entries = None

    def find(self, name: str) -> ModelEntry:
        """The model of that name; capitals do not matter where only one fits, nor do its folder
        and its suffix. As it is on the disk now: the engine has a library of its own, which nobody
        refreshes. Raises ModelNotFound, naming what there is.
        """
        with self._lock:
            if self._scanned != self._changed():
                self.refresh()
            found = self._found(name)
            if found is None:
                self.refresh()  # a folder in a folder does not tell when something comes
                found = self._found(name)
            if found is not None:
                entry = self._look_into(found, again=found.problem is not None)
                self._listed()[entry.name] = entry
                return entry
        there = _those(self.entries())
        raise ModelNotFound(f"there is no model {shown(name)} in {self.folder}; {there}")

    def find_vae(self, name: str) -> VaeEntry:
        """With what its header says. Raises ModelNotFound, naming what there is."""
        wanted = name.casefold().removesuffix(SUFFIX)
        for _ in range(2):
            near = [each for each in self.vaes() if each.name.casefold() == wanted]
            exact = [each for each in near if each.name == name]
            if exact or len(near) == 1:
                return self._vae_report((exact or near)[0])
            self.refresh()
        there = ", ".join(each.name for each in self.vaes()[:20]) or "none"
        raise ModelNotFound(f"there is no VAE {shown(name)}; there are: {there}")

    def default(self) -> str | None:
        """What to use when nobody chose: what ships, else the first that can be used; a refiner,
        which is made to go over a picture, only where there is nothing else."""
        with self._lock:
            names, refiner = list(self._listed()), None
        for name in sorted(names, key=lambda name: name != PREFERRED):
            with self._lock:
                entry = self._listed().get(name)
                if entry is None:
                    continue
                entry = self._listed()[name] = self._look_into(entry)
            if entry.problem is None and entry.family != "refiner":
                return name
            if entry.problem is None:
                refiner = refiner or name
        return refiner

    def hash(self, name: str, at_once: bool = False) -> str:
        """sha256 of what the model is known by; slow the first time, or with `at_once` "" then.
        Raises ModelNotFound, OSError."""
        path = self.find(name).weights
        return self._hashes.known(path) if at_once else self._hashes.hash(path)

    def known_hash(self, entry: ModelEntry) -> str:
        """As `hash` at once, without looking the model up; "" too for one that went away."""
        try:
            return self._hashes.known(entry.weights)
        except OSError:
            return ""

    def hash_ahead(self) -> None:
        """Makes all hashes, in the background."""
        self._hashes.ahead([entry.weights for entry in self.entries() if entry.problem is None])

    def _listed(self) -> dict[str, ModelEntry]:
        if self._entries is None:
            self._scanned = self._changed()
            separate = vaes.listed(model_folders.folders(self._roots, "vae"))
            places = model_folders.folders(self._roots, "checkpoints")
            found = [each for place in places for each in _found_in(place)]
            beside = {path: vae for path, vae in _beside(found, separate)}
            self._vaes = tuple(vaes.told_apart([*separate, *beside.values()]))
            named = [
                ModelEntry(
                    name=name, path=path, layout="folder" if is_folder else "file", weights=path,
                    vae=beside[path].path if path in beside else None, unread=True,
                )
                for name, path, is_folder in _told_apart(found)
            ]  # fmt: skip
            self._entries = {each.name: each for each in sorted(named, key=_order)}
            there = {each.path for each in named}
            self._read = {path: read for path, read in self._read.items() if path in there}
        return self._entries

    def _look_into(self, listed: ModelEntry, again: bool = False) -> ModelEntry:
        now = _stamp(listed)
        known = self._read.get(listed.path)
        if known is not None and known[0] == now and not again:
            return replace(known[1], name=listed.name)
        if listed.layout == "folder":
            entry = folder.entry(listed.path, listed.name)
        else:
            entry = single_file.entry(listed.path, listed.name, listed.vae)
        self._read[listed.path] = (now, entry)
        return entry

    def _found(self, name: str) -> ModelEntry | None:
        entries = self._listed()
        if name in entries:
            return entries[name]
        wanted = name.casefold()
        bare = wanted.removesuffix(SUFFIX)
        ways = ((str.casefold, wanted), (str.casefold, bare), (_bare, bare))
        for called, sought in ways:
            near = [each for key, each in entries.items() if called(key) == sought]
            if near:
                return near[0] if len(near) == 1 else None
        return None

    def _changed(self) -> Stamp:
        kinds = ("checkpoints", "vae")
        return tuple(
            stamp(place) for kind in kinds for place in model_folders.folders(self._roots, kind)
        )

    def _go_on_reading(self) -> None:
        if self._reader is None or not self._reader.is_alive():
            self._reader = threading.Thread(target=self._read_all, name="headers", daemon=True)
            self._reader.start()

    def _read_all(self) -> None:
        time.sleep(_AFTER)
        while True:
            time.sleep(_REST)
            with self._lock:  # one at a time: a list that is asked for meanwhile waits for one file
                entries = self._listed()
                entry = next((each for each in entries.values() if each.unread), None)
                if entry is None:
                    self._reader = None
                    return
                entries[entry.name] = self._look_into(entry)


def _found_in(place: Path) -> Iterator[tuple[str, Path, bool]]:
    """(name, path, whether it is a folder) of what looks like a model."""
    for path, is_folder in model_folders.walk(place, folder.SIGNS):
        name = path.relative_to(place)
        if is_folder:
            yield printable(name.as_posix()), path, True
        elif path.suffix.casefold() in _SUFFIXES and not path.stem.casefold().endswith(_VAE):
            yield printable(name.with_suffix("").as_posix()), path, False


def _told_apart(found: Sequence[tuple[str, Path, bool]]) -> Iterator[tuple[str, Path, bool]]:
    """Of equal names the first stays as it is; capitals make no name another one.

    A pickle beside what it was converted to is left out: nobody misses it.
    """
    whole = {path.with_suffix("") for _, path, is_folder in found if path.suffix == SUFFIX}
    taken: set[str] = set()
    for name, path, is_folder in found:
        if path.suffix.casefold() in PICKLES and path.with_suffix("") in whole:
            continue
        called, number = name, 2
        if called in taken and not is_folder:
            called = f"{name}{path.suffix}"
        while called in taken:
            called, number = f"{name} ({number})", number + 1
        taken.add(called)
        yield called, path, is_folder


def _beside(
    found: Sequence[tuple[str, Path, bool]], vaes: Sequence[VaeEntry]
) -> Iterator[tuple[Path, VaeEntry]]:
    """(checkpoint, VAE) where one goes with the other by its name, as in A1111."""
    by_name = {each.path.stem.casefold(): each for each in reversed(vaes)}
    for _, path, is_folder in found:
        if is_folder:
            continue
        own = path.with_name(f"{path.stem}{_VAE}{SUFFIX}")
        if own.is_file():
            yield path, VaeEntry(printable(own.stem), own)
        else:
            stem = path.stem.casefold()
            if vae := by_name.get(stem + _VAE) or by_name.get(stem):
                yield path, vae


def _stamp(entry: ModelEntry) -> Stamp:
    if entry.layout == "folder":
        return tuple(map(stamp, folder.watched(entry.path)))
    beside = [entry.path.with_suffix(suffix) for suffix in (".yaml", ".json")]
    beside.append(single_file.t5_tokenizer(entry.path))
    vae = [entry.vae] if entry.vae else []
    return tuple(map(stamp, [entry.path, *beside, *vae]))


def _order(entry: ModelEntry) -> tuple[str, str]:
    return entry.name.casefold(), entry.name


def _bare(name: str) -> str:
    """Without the folder it lies in."""
    return name.casefold().rpartition("/")[2].removesuffix(SUFFIX)


def _those(entries: list[ModelEntry]) -> str:
    usable = [entry.name for entry in entries if entry.problem is None and not entry.unread]
    return f"there are {', '.join(usable[:20])}" if usable else "there is none that can be used"

"""Loads models by name, and keeps the last one. Which files a name stands for, the library says."""

from collections.abc import Mapping
from dataclasses import dataclass

from webui.embeddings import Embeddings
from webui.engine.conditioning.conditioner import Conditioner
from webui.engine.conditioning.reader import Reader
from webui.engine.device import Device, free, memory_for
from webui.engine.embeddings import Learned
from webui.errors import ModelRefused
from webui.interfaces import Family, Model
from webui.library import Library, ModelEntry
from webui.prompt import ClipVocabulary

Stamp = tuple[tuple[str, int, int], ...]  # of each weights file: path, size, time of change


@dataclass(frozen=True, slots=True)
class Loaded:
    name: str
    stamp: Stamp
    model: Model
    reader: Reader


class Models:
    """One model at a time; another one is loaded after the last has been let go."""

    def __init__(
        self,
        library: Library,
        embeddings: Embeddings,
        families: Mapping[str, Family],
        device: Device,
    ) -> None:
        self._library = library
        self._embeddings = embeddings
        self._families = families
        self._device = device
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> str | None:
        """The name of the model in memory."""
        return self._loaded.name if self._loaded else None

    def is_loaded(self, name: str) -> bool:
        """Whether `load` would return at once."""
        entry = self._library.find(name)
        return self._loaded is not None and self._loaded.stamp == _stamp(entry)

    def load(self, name: str) -> Loaded:
        """Raises ModelNotFound, ModelRefused or OutOfMemory; the last model is let go first."""
        entry = self._library.find(name)
        stamp = _stamp(entry)
        if self._loaded is not None and self._loaded.stamp == stamp:
            return self._loaded
        if entry.problem is not None:
            raise ModelRefused(f"{name}: {entry.problem}")
        known = self._families.values()
        family = next((each for each in known if each.recognises(entry.folder)), None)
        if family is None:
            raise ModelRefused(f"{name}: none of the model families that are known recognises it")
        self.let_go()
        with memory_for(f"loading the model {name}"):
            model = family.load(entry.folder, self._device.where, self._device.dtype)
        self._loaded = Loaded(name, stamp, model, self._reader(entry, model))
        return self._loaded

    def let_go(self) -> None:
        """Gives the model's memory back; the next `load` takes it from the disk again."""
        self._loaded = None
        free(self._device)

    def _reader(self, entry: ModelEntry, model: Model) -> Reader:
        encoders = model.text_encoders
        learned = Learned(self._embeddings, {each.name: each.width for each in encoders})
        vocabulary = ClipVocabulary.read(entry.folder / "tokenizer")
        return Reader(Conditioner(encoders, learned), learned, vocabulary.with_embeddings)


def _stamp(entry: ModelEntry) -> Stamp:
    try:
        files = {path: path.stat() for path in sorted(entry.folder.glob("*/*.safetensors"))}
    except OSError as error:
        raise ModelRefused(f"{entry.name}: {error.strerror}: {error.filename}") from error
    return tuple((str(path), each.st_size, each.st_mtime_ns) for path, each in files.items())

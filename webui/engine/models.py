"""Loads models by name, and keeps several while memory allows; the least used goes first.

Which files a name stands for, the library says.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from webui.embeddings import Embeddings
from webui.engine.conditioning.conditioner import Conditioner
from webui.engine.conditioning.reader import Reader
from webui.engine.device import Device, free, free_memory, memory_for
from webui.engine.embeddings import Learned
from webui.engine.lora import Adapters
from webui.errors import ModelRefused, OutOfMemory
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.files import stamp
from webui.interfaces import Family, Model
from webui.library import Library, ModelEntry, needed
from webui.library.folder import watched
from webui.loras import Loras
from webui.vocabularies import Vocabularies

Stamp = tuple[object, ...]  # of the files of a model: another one, another content


@dataclass(frozen=True, slots=True)
class Loaded:
    name: str
    stamp: Stamp
    model: Model
    reader: Reader


class Models:
    """The ones in memory, the last used at the end."""

    def __init__(
        self,
        library: Library,
        embeddings: Embeddings,
        loras: Loras,
        families: Mapping[str, Family],
        device: Device,
    ) -> None:
        self._library = library
        self._embeddings = embeddings
        self._loras = loras
        self._families = families
        self._device = device
        self._kept: OrderedDict[Stamp, Loaded] = OrderedDict()
        self._vocabularies = Vocabularies()  # single files share one

    @property
    def loaded(self) -> str | None:
        """The name of the model in memory that was used last."""
        return next(reversed(self._kept.values())).name if self._kept else None

    @property
    def kept(self) -> list[str]:
        """The names of all in memory, the last used at the end."""
        return [each.name for each in self._kept.values()]

    def is_loaded(self, name: str, vae: str = AUTOMATIC_VAE) -> bool:
        """Whether `load` would return at once."""
        entry = self._with_vae(self._library.find(name), vae)
        return _stamp(entry) in self._kept

    def load(self, name: str, vae: str = AUTOMATIC_VAE) -> Loaded:
        """With the VAE that goes with it, its own, or the one of that name.

        Raises ModelNotFound, ModelRefused or OutOfMemory; what is in memory stays usable.
        """
        entry = self._with_vae(self._library.find(name), vae)
        mark = _stamp(entry)
        if mark not in self._kept:
            if entry.problem is not None:
                raise ModelRefused(f"{name}: {entry.problem}")
            loaded = self._other_vae(entry, mark) or self._whole(entry, mark)
            self._kept[mark] = loaded
        self._kept.move_to_end(mark)
        return self._kept[mark]

    def unload(self, name: str | None = None) -> list[str]:
        """Lets the model of that name go, or all; returns what went."""
        gone = [mark for mark, each in self._kept.items() if name in (None, each.name)]
        names = [self._kept.pop(mark).name for mark in gone]
        if names:
            free(self._device)
        return names

    def keep_only_last(self) -> None:
        """Lets go of all but the model that was used last: the memory is needed for work."""
        while len(self._kept) > 1:
            self._kept.popitem(last=False)
        free(self._device)

    def _whole(self, entry: ModelEntry, mark: Stamp) -> Loaded:
        family = self._families.get(entry.family)
        if family is None:
            raise ModelRefused(f"{entry.name}: the model family {entry.family!r} is not known here")
        self._outdated(entry)
        self._make_room(entry)
        try:
            model = self._load(family, entry)
        except OutOfMemory:
            if not self._kept:
                raise
            self.unload()
            model = self._load(family, entry)
        return Loaded(entry.name, mark, model, self._reader(entry, model))

    def _load(self, family: Family, entry: ModelEntry) -> Model:
        with memory_for(f"loading the model {entry.name}"):
            return family.load(entry, self._device.where, self._device.dtype)

    def _other_vae(self, entry: ModelEntry, mark: Stamp) -> Loaded | None:
        """The model that is in memory with another VAE, with this one; the other one is let go."""
        base = _stamp(replace(entry, vae=None))
        same = next((key for key in self._kept if key[: len(base)] == base), None)
        if same is None:
            return None
        known = self._kept[same]
        with memory_for("loading the VAE"):
            model = known.model.with_vae(entry.vae)
        del self._kept[same]
        return replace(known, stamp=mark, model=model)

    def _outdated(self, entry: ModelEntry) -> None:
        """Lets go of the same model with other files: nobody will ask for it any more."""
        for mark in [mark for mark, each in self._kept.items() if each.name == entry.name]:
            del self._kept[mark]

    def _make_room(self, entry: ModelEntry) -> None:
        """As much as the model and the work with it need, as far as it can be had."""
        wanted = needed(entry.report, self._device.dtype.itemsize)
        while self._kept and free_memory(self._device) < wanted:
            self._kept.popitem(last=False)
            free(self._device)

    def let_go(self) -> None:
        """Gives the memory of all back; the next `load` takes its model from the disk again."""
        self._kept.clear()
        free(self._device)

    def _reader(self, entry: ModelEntry, model: Model) -> Reader:
        encoders = model.text_encoders
        learned = Learned(self._embeddings, {each.name: each.width for each in encoders})
        words = partial(self._vocabularies.of, entry.tokenizer)
        words({})  # raises now if it cannot be read
        adapters = Adapters(self._loras, entry, model)
        whole = model.whole_text_encoder
        conditioner = Conditioner(encoders, learned, adapters.text, whole)
        return Reader(conditioner, learned, words, adapters, whole)

    def _with_vae(self, entry: ModelEntry, vae: str) -> ModelEntry:
        if vae == AUTOMATIC_VAE:
            return entry
        return replace(entry, vae=None if vae == OWN_VAE else self._library.find_vae(vae).path)


def _stamp(entry: ModelEntry) -> Stamp:
    """What is loaded with another VAE begins with the same."""
    files = watched(entry.path) if entry.layout == "folder" else [entry.path]
    beside = [entry.path.with_suffix(suffix) for suffix in (".yaml", ".json")]
    own: Stamp = tuple((str(path), *stamp(path)) for path in [*files, *beside])
    return own if entry.vae is None else (*own, (str(entry.vae), *stamp(entry.vae)))

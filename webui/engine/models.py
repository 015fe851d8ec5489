"""Loads models by name, and keeps several while memory allows; the least used goes first.

Which files a name stands for, the library says.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import torch

from webui.embeddings import Embeddings
from webui.engine.conditioning.conditioner import Conditioner
from webui.engine.conditioning.reader import Reader
from webui.engine.device import (
    Device,
    free,
    free_main_memory,
    free_memory,
    memory_for,
    total_main_memory,
    total_memory,
)
from webui.engine.embeddings import Learned
from webui.engine.guard import Needed
from webui.engine.hook_answers import model_of
from webui.engine.lora import Adapters
from webui.engine.offload import Room
from webui.errors import ModelRefused, OutOfMemory
from webui.extensions import BUILTIN, Conduct
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.files import stamp
from webui.interfaces import Family, Model
from webui.interfaces.server_hooks import Owned
from webui.library import Library, ModelEntry, Plan, needed, plan
from webui.library.folder import watched
from webui.loras import Loras
from webui.vocabularies import Vocabularies

log = logging.getLogger(__name__)

Stamp = tuple[object, ...]  # of the files of a model: another one, another content


@dataclass(frozen=True, slots=True)
class Loaded:
    name: str
    stamp: Stamp
    model: Model
    reader: Reader
    plan: Plan | None = None  # what of it lives where


class Models:
    """The ones in memory, the last used at the end."""

    def __init__(
        self,
        library: Library,
        embeddings: Embeddings,
        loras: Loras,
        families: Mapping[str, Owned[Family]],
        device: Device,
        conduct: Conduct | None = None,
    ) -> None:
        """`conduct`: where what extensions' families do is written down."""
        self._library = library
        self._embeddings = embeddings
        self._loras = loras
        self._families = families
        self._device = device
        self._conduct = conduct or Conduct()
        self._room = Room(device.where)
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

    @property
    def plan(self) -> str | None:
        """Where the one lives that was used last, in words."""
        last = next(reversed(self._kept.values())) if self._kept else None
        return last.plan.text if last and last.plan else None

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
        self._kept[mark].model.vae.offer(self._library.tiny_decoders())
        return self._kept[mark]

    def unload(self, name: str | None = None) -> list[str]:
        """Lets the model of that name go, or all; returns what went."""
        gone = [mark for mark, each in self._kept.items() if name in (None, each.name)]
        names = [self._kept.pop(mark).name for mark in gone]
        if names:
            self._free()
        return names

    def keep_only_last(self) -> None:
        """Lets go of all but the model that was used last: the memory is needed for work."""
        while len(self._kept) > 1:
            self._kept.popitem(last=False)
        self._free()

    def _whole(self, entry: ModelEntry, mark: Stamp) -> Loaded:
        family = self._families.get(entry.family)
        if family is None:
            raise ModelRefused(f"{entry.name}: the model family {entry.family!r} is not known here")
        self._outdated(entry)
        made = self._planned(entry)
        self._make_room(entry, made)
        # read while the weights are copied: it takes a tenth of their time
        with ThreadPoolExecutor(1) as beside:
            words = beside.submit(self._vocabularies.of, entry.tokenizer, {})
            try:
                model = self._load(family, entry, made)
            except OutOfMemory:
                if not self._kept:
                    raise
                self.unload()
                model = self._load(family, entry, made)
            words.result()  # raises now if it cannot be read
        return Loaded(entry.name, mark, model, self._reader(entry, model), made)

    def _planned(self, entry: ModelEntry) -> Plan | None:
        device = self._device
        made = plan(
            entry.report, device.dtype.itemsize, total_memory(device), device.offload,
            total_main_memory(),
        )  # fmt: skip
        if made is not None:
            log.info("%s: %s", entry.name, made.text)
        return made

    def _load(self, family: Owned[Family], entry: ModelEntry, made: Plan | None) -> Model:
        offloaded = made is not None and made.offload != "none"
        where = torch.device("cpu") if offloaded else self._device.where
        with memory_for(f"loading the model {entry.name}"):
            model = self._made_by(family, entry, where)
            self._offload(model, made)
        return model

    def _made_by(self, family: Owned[Family], entry: ModelEntry, where: torch.device) -> Model:
        """Raises ExtensionError where the family is an extension's, and fails."""
        load = partial(family.value.load, entry, where, self._device.dtype)
        if family.owner == BUILTIN:
            return load()
        return Needed(family.owner, "model family", self._conduct).call(lambda: model_of(load()))

    def _offload(self, model: Model, made: Plan | None) -> None:
        if made is not None:
            self._room.offload(model.modules, made.offload)

    def _other_vae(self, entry: ModelEntry, mark: Stamp) -> Loaded | None:
        """The model that is in memory with another VAE, with this one; the other one is let go."""
        base = _stamp(replace(entry, vae=None))
        same = next((key for key in self._kept if key[: len(base)] == base), None)
        if same is None:
            return None
        known = self._kept[same]
        with memory_for("loading the VAE"):
            model = known.model.with_vae(entry.vae)
            self._offload(model, known.plan)
        del self._kept[same]
        return replace(known, stamp=mark, model=model)

    def _outdated(self, entry: ModelEntry) -> None:
        """Lets go of the same model with other files: nobody will ask for it any more."""
        for mark in [mark for mark, each in self._kept.items() if each.name == entry.name]:
            del self._kept[mark]

    def _make_room(self, entry: ModelEntry, made: Plan | None) -> None:
        """As much as the model and the work with it need, as far as it can be had."""
        wanted = made.device_bytes if made else needed(entry.report, self._device.dtype.itemsize)
        waiting = made.main_bytes if made else 0
        self._room.leave()
        while self._kept and (
            free_memory(self._device) < wanted or (waiting and free_main_memory() < waiting)
        ):
            self._kept.popitem(last=False)
            self._free()

    def _free(self) -> None:
        self._room.leave()
        free(self._device)

    def _reader(self, entry: ModelEntry, model: Model) -> Reader:
        encoders = model.text_encoders
        learned = Learned(self._embeddings, {each.name: each.width for each in encoders})
        words = partial(self._vocabularies.of, entry.tokenizer)
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
    words = entry.t5_tokenizer
    read: Stamp = (words and (str(words), *stamp(words)),)  # whether T5 is, too
    own = read + tuple((str(path), *stamp(path)) for path in [*files, *beside])
    return own if entry.vae is None else (*own, (str(entry.vae), *stamp(entry.vae)))

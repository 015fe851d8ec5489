"""The vocabularies of models, kept while their files stay as they are."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from webui.files import stamp
from webui.prompt import ClipVocabulary

_KEPT = 4  # models; each about 30 MB
_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json")
_Stamp = tuple[tuple[int, int], ...]


class Vocabularies:
    """Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[_Stamp, ClipVocabulary]] = OrderedDict()

    def of(self, folder: Path, embeddings: Mapping[str, int]) -> ClipVocabulary:
        """Of a tokenizer's folder, with the embeddings that a model can use: their numbers of
        vectors.

        Raises ModelRefused, naming the file.
        """
        stamps = tuple(stamp(folder / name) for name in _FILES)
        with self._lock:
            known = self._kept.get(folder)
            if known is None or known[0] != stamps:
                known = (stamps, ClipVocabulary.read(folder))
                self._kept[folder] = known
            self._kept.move_to_end(folder)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return known[1].with_embeddings(embeddings)

"""The vocabularies of models, kept while their files stay as they are."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from webui.prompt import ClipVocabulary
from webui.prompt.embedding_list import embeddings

_KEPT = 4  # models; each about 30 MB
_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json")
_Stamp = tuple[tuple[int, int], ...]


class Vocabularies:
    """Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[_Stamp, ClipVocabulary]] = OrderedDict()
        self._counted: tuple[Path, _Stamp, Mapping[str, int]] | None = None

    def of(self, model: Path, embedding_folder: Path) -> ClipVocabulary:
        """Of a model's folder, with the embeddings that lie in the other one.

        Raises ModelRefused, naming the file.
        """
        folder = model / "tokenizer"
        stamp = tuple(_stamp(folder / name) for name in _FILES)
        with self._lock:
            known = self._kept.get(folder)
            if known is None or known[0] != stamp:
                known = (stamp, ClipVocabulary.read(folder))
                self._kept[folder] = known
            self._kept.move_to_end(folder)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return known[1].with_embeddings(self._embeddings(embedding_folder))

    def _embeddings(self, folder: Path) -> Mapping[str, int]:
        """Read again when a file came or went."""
        stamp = (_stamp(folder),)
        if self._counted is None or self._counted[:2] != (folder, stamp):
            self._counted = (folder, stamp, embeddings(folder))
        return self._counted[2]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)

"""The vectors of embedding files, for one model's text encoders; read when first named."""

from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from webui.embeddings import EmbeddingEntry, Embeddings, Stamp
from webui.errors import InvalidRequest


class Learned:
    """What one model can use of the embeddings there are, as they are on the disk when asked."""

    def __init__(self, files: Embeddings, widths: Mapping[str, int]) -> None:
        """`widths` of a token's vector, by text encoder."""
        self._files = files
        self._widths = widths
        self._entries: dict[str, EmbeddingEntry] = {}
        self._tensors: dict[Stamp, dict[str, Tensor]] = {}

    def refresh(self) -> None:
        """Looks at the folder: what came, went or changed counts from now on."""
        self._entries = self._files.usable(self._widths)
        stamps = {entry.stamp for entry in self._entries.values()}
        self._tensors = {stamp: self._tensors[stamp] for stamp in self._tensors if stamp in stamps}

    @property
    def vectors(self) -> Mapping[str, int]:
        """How many each embedding has, by name."""
        return {name: entry.vectors for name, entry in self._entries.items()}

    def misfits(self) -> Mapping[str, str]:
        """Why this model cannot use each of the others, by name."""
        return self._files.unusable(self._widths)

    def stamp(self, name: str) -> Stamp:
        """Changes with the file. Raises InvalidRequest if there is no such embedding."""
        return self._entry(name).stamp

    def hash(self, name: str) -> str:
        """sha256 of the file. Raises InvalidRequest if it went away."""
        try:
            return self._files.hash(self._entry(name))
        except OSError as error:
            raise _unreadable(name, error.strerror or "") from error

    def row(self, name: str, row: int, encoder: str) -> Tensor:
        """One of its vectors (width,), float32 on the CPU.

        Raises InvalidRequest if the file is not what its header said when the folder was read.
        """
        entry = self._entry(name)
        if entry.stamp not in self._tensors:
            self._tensors[entry.stamp] = _read(entry)
        tensors = self._tensors[entry.stamp]
        return tensors.get(encoder, tensors.get("", torch.empty(0)))[row]

    def _entry(self, name: str) -> EmbeddingEntry:
        if name not in self._entries:
            raise InvalidRequest("prompt", f"there is no embedding {name!r} for this model")
        return self._entries[name]


def _read(entry: EmbeddingEntry) -> dict[str, Tensor]:
    """(vectors, width) by text encoder."""
    tensors = {}
    try:
        with safe_open(str(entry.path), framework="pt") as file:
            for encoder, part in entry.parts.items():
                tensor = file.get_tensor(part.key).float().reshape(-1, part.width)
                if tensor.shape != (part.vectors, part.width):
                    raise _unreadable(entry.name, "it changed while it was read")
                if not bool(torch.isfinite(tensor).all()):
                    raise _unreadable(entry.name, "it holds NaN or Inf")
                tensors[encoder] = tensor
    except (SafetensorError, OSError, RuntimeError) as error:
        raise _unreadable(entry.name, str(error)[:200]) from error
    return tensors


def _unreadable(name: str, why: str) -> InvalidRequest:
    return InvalidRequest("prompt", f"the embedding {name!r} cannot be used: {why}")


def embedding_file(vectors: Mapping[str, Tensor], text: str) -> bytes:
    """A file of (n, width) vectors by text encoder, in the layout that all UIs read."""
    tensors = {name: each.float().cpu().contiguous() for name, each in vectors.items()}
    if len(tensors) == 1:
        tensors = {"emb_params": next(iter(tensors.values()))}
    return save(tensors, metadata={"format": "pt", "darkroom_text": text})

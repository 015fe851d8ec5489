"""From windows of tokens to what guides a model, kept while texts and embeddings stay the same.

Knows a model's text encoders alone: neither the grammar of prompts nor what else a family has.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from webui.engine.conditioning.blending import combined
from webui.engine.conditioning.emphasis import emphasised
from webui.engine.lora import Strengths, unadapted
from webui.errors import InvalidRequest
from webui.interfaces import Conditioning, TextEncoder, WholeTextEncoder
from webui.prompt.parts import Mixing, Token, Vector, Window

EMPTY = Window(())
_KEPT = 64 * 2**20  # bytes of encodings; a window of Stable Diffusion 1's takes about 240 kB

Windows = Sequence[Window]


class Embedded(Protocol):
    """Where the vectors of embeddings come from."""

    def stamp(self, name: str) -> object: ...

    def row(self, name: str, row: int, encoder: str) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts are read."""

    emphasis: str = "original"
    clip_skip: int = 1
    negative: bool = False  # as what the picture should not show
    loras: Strengths = ()  # what the text encoders wear


class Conditioner:
    """Encodes texts for one model, and remembers the last ones."""

    def __init__(
        self,
        encoders: Sequence[TextEncoder],
        embedded: Embedded,
        adapted: Callable[[Strengths], AbstractContextManager[None]] = unadapted,
        whole: WholeTextEncoder | None = None,
    ) -> None:
        """`adapted` is what the encoders are called within; `whole` reads texts beside them."""
        self._encoders = encoders
        self._embedded = embedded
        self._adapted = adapted
        self._whole = whole
        self._kept: OrderedDict[object, Conditioning] = OrderedDict()
        self._used = 0  # bytes of what is kept

    @property
    def layers(self) -> int:
        """The most that clip skip can be."""
        return min(encoder.layers for encoder in self._encoders)

    def text(self, windows: Windows, reading: Reading) -> Conditioning:
        """One text: its windows beside each other, (1, 77 x windows, width)."""
        windows = tuple(windows) or (EMPTY,)
        key = windows, reading, self._contents(windows)
        if key not in self._kept:
            with self._adapted(reading.loras):
                made = joined([self._window(window, reading) for window in windows])
            empty = not any(window.tokens for window in windows)
            beside = self._beside(windows)
            self._keep(key, replace(made, beside=beside, negative=reading.negative, empty=empty))
        self._kept.move_to_end(key)
        return self._kept[key]

    def blend(
        self, texts: Sequence[tuple[float, Windows]], mixing: Mixing, reading: Reading
    ) -> Conditioning:
        """Several texts encoded whole and combined; shorter ones are padded.

        One that adds nothing is left out, so that it does not lengthen the others either.
        """
        counted = _counted(texts, mixing)
        encoded = [self.text(windows, reading) for _, windows in counted]
        if len(counted) == 1 and (counted[0][0] == 1 or mixing == "slerp"):
            return encoded[0]
        factors = [factor for factor, _ in counted]
        padded = equally_long(encoded, self.text((EMPTY,), reading))

        def whole(tensors: Sequence[Tensor]) -> Tensor:
            made = combined(list(zip(factors, tensors, strict=True)), mixing)
            return made.to(tensors[0].dtype)

        pooled = [each.pooled for each in padded if each.pooled is not None]
        beside = [each.beside for each in padded if each.beside is not None]
        return Conditioning(
            whole([each.context for each in padded]),
            whole(pooled) if pooled else None,
            whole(beside) if beside else None,
            reading.negative,
        )

    def vectors(self, tokens: Sequence[Token]) -> dict[str, Tensor]:
        """What the tokens are before the transformer: (n, width) by text encoder, float32."""
        return {
            encoder.name: torch.stack([self._vector(each, encoder).float() for each in tokens])
            for encoder in self._encoders
        }

    def _window(self, window: Window, reading: Reading) -> Conditioning:
        ids = [token.id for token in window.tokens]
        weights = [token.weight for token in window.tokens]
        parts = []
        for encoder in self._encoders:
            replaced = {
                place: self._vector(token, encoder)
                for place, token in enumerate(window.tokens)
                if token.vector is not None
            }
            made = encoder.encode(ids, replaced, reading.clip_skip)
            context = emphasised(made.context, weights, reading.emphasis)
            parts.append(Conditioning(context, made.pooled))
        if len(parts) == 1:
            return parts[0]
        pooled = [part.pooled for part in parts if part.pooled is not None]
        contexts = torch.cat([part.context for part in parts], dim=-1)
        return Conditioning(contexts, torch.cat(pooled, dim=-1) if pooled else None)

    def _beside(self, windows: Windows) -> Tensor | None:
        """What the encoder of whole texts makes of one, (1, tokens, its width)."""
        if self._whole is None:
            return None
        return self._whole.encode([each for window in windows for each in window.written])

    def _vector(self, token: Token, encoder: TextEncoder) -> Tensor:
        """(width,), on the encoder's device."""
        if token.vector is None:
            return encoder.vectors([token.id])[0]
        return self._mixed(token.vector, encoder)

    def _mixed(self, vector: Vector, encoder: TextEncoder) -> Tensor:
        own = encoder.vectors([0 if term.embedding else term.id for term in vector.terms])
        parts = [
            (
                term.factor,
                self._embedded.row(term.embedding, term.row, encoder.name).to(own.device)
                if term.embedding
                else row,
            )
            for term, row in zip(vector.terms, own, strict=True)
        ]
        mixed = combined(parts, vector.mixing)
        if not bool(torch.isfinite(mixed).all()):
            raise InvalidRequest("prompt", "a mix of vectors in it gives NaN or Inf")
        return mixed

    def _contents(self, windows: Windows) -> object:
        """Of the embeddings that are named: their files may change while their names stay."""
        return tuple(self._embedded.stamp(name) for name in embeddings_in(windows))

    def _keep(self, key: object, made: Conditioning) -> None:
        self._kept[key] = made
        self._used += _bytes(made)
        while self._used > _KEPT and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._used -= _bytes(oldest)


def _bytes(made: Conditioning) -> int:
    return made.context.nbytes + (0 if made.beside is None else made.beside.nbytes)


def _counted(
    texts: Sequence[tuple[float, Windows]], mixing: Mixing
) -> Sequence[tuple[float, Windows]]:
    if mixing == "linear":
        return [each for each in texts if each[0] != 0] or texts[:1]
    first = max((place for place, (turn, _) in enumerate(texts) if turn == 1), default=0)
    return [texts[first], *(each for each in texts[first + 1 :] if each[0] != 0)]


def embeddings_in(windows: Windows) -> list[str]:
    """The names, each once, sorted."""
    return sorted(
        {
            term.embedding
            for window in windows
            for token in window.tokens
            if token.vector is not None
            for term in token.vector.terms
            if term.embedding
        }
    )


def joined(windows: Sequence[Conditioning]) -> Conditioning:
    """One after the other along the tokens; the first one's pooled vector counts, as in A1111."""
    if len(windows) == 1:
        return windows[0]
    return replace(windows[0], context=torch.cat([each.context for each in windows], dim=1))


def equally_long(conditionings: Sequence[Conditioning], empty: Conditioning) -> list[Conditioning]:
    """Shorter ones are filled up with `empty`, the encoding of an empty window."""
    longest = max(each.context.shape[1] for each in conditionings)
    step = empty.context.shape[1]
    return [
        joined([each, *[empty] * ((longest - each.context.shape[1]) // step)])
        for each in conditionings
    ]

"""From a stage's text to tokens with weights, in windows of 75: what the text transformer is given.

Textual-inversion names are matched on tokens, the longest first, and like mixed words they are
never divided between two windows.
"""

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from webui.errors import InvalidRequest
from webui.prompt import blending, mixes
from webui.prompt.attention import Emphasis, Span, spans
from webui.prompt.parts import Term, Token, Vector, Vocabulary, Window

SIZE = 75  # tokens in a window, without begin and end
BACKTRACK = 20  # tokens after the last comma that move on with what does not fit
MOST = 128  # windows


@dataclass(frozen=True, slots=True)
class _Block:
    """Tokens that stay together."""

    tokens: tuple[Token, ...]
    first: int  # id of the first token as it was written


def windows(
    text: str, vocabulary: Vocabulary, *, emphasis: Emphasis = "original"
) -> tuple[Window, ...]:
    """The windows of a stage's text; an empty text is one empty window.

    With emphasis "none" brackets and BREAK are text, with "ignore" every weight is 1. Raises
    InvalidRequest for more than 128 windows, for a mix of whole texts (`understand` makes variants
    of these), and for a weight or a mix that cannot be.
    """
    commas = [id for id, _, _ in vocabulary.encode(",")]
    filler = _Filler(commas[0] if len(commas) == 1 else None)
    index = _index(text, vocabulary)
    for span in _spans(text, emphasis):
        if span.kind == "break":
            filler.close()
            continue
        if not math.isfinite(span.weight):
            raise InvalidRequest("prompt", "has brackets whose weight is too large to be a number")
        weight = 1.0 if emphasis == "ignore" else span.weight
        for block in _blocks(span, weight, vocabulary, index):
            filler.add(block)
    return filler.finished()


def written(text: str, emphasis: Emphasis = "original") -> tuple[tuple[str, float], ...]:
    """A stage's text in pieces with their weights, for text encoders with a vocabulary of their
    own. Of a mix of words the one with the largest share is read, since they have no such words."""
    pieces = []
    for span in _spans(text, emphasis):
        if span.kind == "break" or not math.isfinite(span.weight):
            continue
        weight = 1.0 if emphasis == "ignore" else span.weight
        words = _strongest(span.text) if span.kind == "atom" else span.text
        if words.strip():
            pieces.append((words, weight))
    return tuple(pieces)


def _strongest(text: str) -> str:
    """Of the mixes that the text is made of, each one's word with the largest factor."""
    words = []
    for mix in mixes.mixes(text):
        most = max(mix.ingredients, key=lambda each: each.factor)
        inside = "".join(text[start:end] for start, end in most.slices)
        words.append("".join(span.text for span in spans(inside) if span.kind == "text"))
    return " ".join(words)


def _spans(text: str, emphasis: Emphasis) -> Iterator[Span]:
    atoms = mixes.places(text)
    if emphasis != "none":
        yield from spans(text, atoms)
        return
    position = 0
    for start, end in [*atoms, (len(text), len(text))]:
        yield Span(text[position:start], 1.0, ((0, position),))
        if start < end:
            yield Span(text[start:end], 1.0, ((0, start),), "atom")
        position = end


def _blocks(span: Span, weight: float, vocabulary: Vocabulary, index: "_Index") -> Iterator[_Block]:
    if span.kind == "atom":
        start = span.slices[0][1]
        for mix in mixes.mixes(span.text):
            made = _mixed(span.text, mix, vocabulary)
            tokens = tuple(
                Token(each.id, weight * each.weight, start, start + len(span.text), each.vector)
                for each in made
            )
            yield _Block(tokens, -1)
        return
    for found in _found(span.text, vocabulary, index):
        start, end = _place(span, found.start), _place(span, found.end - 1) + 1
        tokens = tuple(
            Token(found.ids[0], weight, start, max(start, end), vector)
            for vector in found.vectors or (None,)
        )
        yield _Block(tokens, found.ids[0])


def _place(span: Span, offset: int) -> int:
    index = max(0, bisect_right(span.slices, (offset, math.inf)) - 1)
    return span.slices[index][1] + offset - span.slices[index][0]


class _Filler:
    """Fills one window after the other."""

    def __init__(self, comma: int | None) -> None:
        self._comma = comma
        self._windows: list[Window] = []
        self._tokens: list[Token] = []
        self._last_comma = -1  # where in the window

    def add(self, block: _Block) -> None:
        count = len(self._tokens)
        if block.first == self._comma:
            self._last_comma = count
        elif count == SIZE and self._last_comma != -1 and count - self._last_comma <= BACKTRACK:
            rest = self._tokens[self._last_comma + 1 :]
            del self._tokens[self._last_comma + 1 :]
            self.close()
            self._tokens = rest
        if len(block.tokens) > SIZE:
            raise InvalidRequest(
                "prompt",
                f"has something of {len(block.tokens)} tokens that cannot be divided; a window "
                f"takes {SIZE}, and whole texts are mixed with :text",
            )
        if len(self._tokens) + len(block.tokens) > SIZE:
            self.close()
        self._tokens.extend(block.tokens)

    def close(self) -> None:
        if len(self._windows) == MOST:
            raise InvalidRequest(
                "prompt", f"needs more than {MOST} windows of {SIZE} tokens; shorten it"
            )
        self._windows.append(Window(tuple(self._tokens)))
        self._tokens, self._last_comma = [], -1

    def finished(self) -> tuple[Window, ...]:
        if self._tokens or not self._windows:
            self.close()
        return tuple(self._windows)


# --- embeddings ----------------------------------------------------------------------------------

_PIECE = 2000  # characters of a word; no name of a file is as long
_Index = Mapping[int, Sequence[tuple[tuple[int, ...], str]]]  # first id -> (ids, name), long first


@dataclass(frozen=True, slots=True)
class _Found:
    """A token, or the tokens of an embedding's name."""

    ids: tuple[int, ...]
    start: int
    end: int
    vectors: tuple[Vector, ...] = ()
    embedding: str = ""


def _index(text: str, vocabulary: Vocabulary) -> _Index:
    """The embeddings whose names may stand in the text: only these are worth tokenising."""
    squashed, index = _squashed(text), dict[int, list[tuple[tuple[int, ...], str]]]()
    for name in vocabulary.embeddings:
        if _squashed(name) in squashed:
            ids = tuple(id for id, _, _ in vocabulary.encode(name))
            if ids:
                index.setdefault(ids[0], []).append((ids, name))
    for entries in index.values():
        entries.sort(key=lambda entry: (-len(entry[0]), entry[1]))
    return index


def _squashed(text: str) -> str:
    """Equal for texts that a tokenizer makes equal; backslashes may have been escapes.

    Composed in pieces: Python takes quadratic time for a long run of combining marks.
    """
    composed = [
        unicodedata.normalize("NFC", word[at : at + _PIECE])
        for word in text.split()
        for at in range(0, len(word), _PIECE)
    ]
    folded = "".join(composed).casefold()
    return "".join(folded.replace("\\", "").split())


def _found(text: str, vocabulary: Vocabulary, index: _Index) -> Iterator[_Found]:
    encoded = vocabulary.encode(text)
    at = 0
    while at < len(encoded):
        id, start, end = encoded[at]
        for ids, name in index.get(id, ()):
            if tuple(each[0] for each in encoded[at : at + len(ids)]) == ids:
                rows = range(vocabulary.embeddings[name])
                vectors = tuple(Vector((Term(1.0, embedding=name, row=row),)) for row in rows)
                yield _Found(ids, start, encoded[at + len(ids) - 1][2], vectors, name)
                at += len(ids)
                break
        else:
            yield _Found((id,), start, end)
            at += 1


# --- mixes ---------------------------------------------------------------------------------------


def _mixed(text: str, mix: mixes.Mix, vocabulary: Vocabulary) -> list[blending.Blended]:
    if mix.level == "text" and mix.alone is None:
        raise InvalidRequest("prompt", f"{text[:80]} mixes whole texts, which are not tokens")
    left = [each for each in mix.ingredients if each.factor != 0 or mix.kind == "replacement"]
    words = [(each.factor, _word(text, each, vocabulary)) for each in left]
    return blending.blended(mix.kind, mix.mixing, words)


def _word(
    text: str, ingredient: mixes.Ingredient, vocabulary: Vocabulary
) -> list[blending.Written]:
    written = "".join(text[start:end] for start, end in ingredient.slices)
    index = _index(written, vocabulary)
    tokens = [
        blending.Written(found.ids[0], span.weight, term)
        for span in spans(written)
        if span.kind == "text"
        for found in _found(span.text, vocabulary, index)
        for term in ([vector.terms[0] for vector in found.vectors] or [Term(1.0, id=found.ids[0])])
    ]
    if not tokens:
        raise InvalidRequest("prompt", f"{text[:80]} names {written[:40]!r}, which has no tokens")
    return tokens

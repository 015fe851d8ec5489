"""A prompt under the microscope: what it comes to, token by token, without making a picture."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from types import MappingProxyType

from webui.errors import InvalidRequest
from webui.prompt.attention import Emphasis
from webui.prompt.loras import lora_uses
from webui.prompt.mentions import mentions
from webui.prompt.parts import Mixing, Note, Tag, Token, Vector, Vocabulary, Window
from webui.prompt.tags import KNOWN
from webui.prompt.traced import Traced
from webui.prompt.understanding import TracedStage, read
from webui.prompt.vocabulary import ClipVocabulary
from webui.prompt.windowing import SIZE, windows

MOST_TEXTS = 64  # different ones that are looked at
_MOST_MARKS = 20

_NONE: Mapping[str, str] = MappingProxyType({})
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # Unicode's Bidi_Control
_EMBEDDING = re.compile(r"\bembedding:([^\s,:()\[\]<>]+)")


@dataclass(frozen=True, slots=True)
class SeenToken:
    """A token, and where in the prompt it stands."""

    text: str  # as the vocabulary has it
    id: int
    weight: float
    start: int
    end: int
    embedding: str = ""  # whose vector stands in its place
    mix: str = ""  # what its vector is made of: "0.6 cat + 0.4 panda"


@dataclass(frozen=True, slots=True)
class SeenText:
    text: str
    windows: tuple[tuple[SeenToken, ...], ...]


@dataclass(frozen=True, slots=True)
class SeenStage:
    first_step: int  # 1-based
    last_step: int
    mixing: Mixing
    variants: tuple[tuple[float, int], ...]  # ratio, and which of the texts


@dataclass(frozen=True, slots=True)
class SeenPart:
    weight: float
    stages: tuple[SeenStage, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """`tokens` of `of`: the longest stage, and the places in the windows that it takes up."""

    tokens: int
    of: int
    texts: tuple[SeenText, ...]  # each once
    parts: tuple[SeenPart, ...]
    tags: tuple[Tag, ...]
    notes: tuple[Note, ...]


def look(
    text: str,
    vocabulary: ClipVocabulary,
    steps: int,
    *,
    positive: bool = True,
    emphasis: Emphasis = "original",
    unusable: Mapping[str, str] = _NONE,
    misfit: Callable[[str], str | None] | None = None,
    kinds: Collection[str] = KNOWN,
) -> Look:
    """What `understand` and `windows` make of a prompt. Raises InvalidRequest as these do.

    `unusable`: names of embeddings that the model cannot use, and why; `misfit` says why it cannot
    use the LoRA of a name, if it cannot; `kinds` are those of tags that are known.
    """
    reading = read(text, steps, positive=positive, emphasis=emphasis, kinds=kinds)
    texts: dict[str, tuple[int, Traced]] = {}
    parts = tuple(
        SeenPart(part.weight, tuple(_stages(stages, texts)))
        for part, stages in zip(reading.prompt.parts, reading.stages, strict=True)
    )
    notes = [*reading.prompt.notes, *_unused(reading.prompt.tags, misfit)]
    notes += [*_embeddings(text, vocabulary, unusable), *_invisible(text)]
    seen, tokens, of = [], 0, SIZE
    for _, traced in list(texts.values())[:MOST_TEXTS]:
        made = _windows(traced.text, vocabulary, emphasis, positive)
        tokens = max(tokens, SIZE * (len(made) - 1) + len(made[-1].tokens))
        of = max(of, SIZE * len(made))
        notes += _borders(traced, made)
        shown = tuple(_seen(window, traced, vocabulary) for window in made)
        seen.append(SeenText(traced.text, shown))
    if len(texts) > MOST_TEXTS:
        notes.append(Note(f"Only the first {MOST_TEXTS} of {len(texts)} texts are shown.", 0, 0))
    unique = tuple(dict.fromkeys(sorted(notes, key=lambda note: note.start)))
    return Look(tokens, of, tuple(seen), parts, reading.prompt.tags, unique)


def _stages(
    stages: Sequence[TracedStage], texts: dict[str, tuple[int, Traced]]
) -> Iterator[SeenStage]:
    first = 1
    for stage in stages:
        variants = []
        for ratio, traced in stage.variants:
            index, _ = texts.setdefault(traced.text, (len(texts), traced))
            variants.append((ratio, index))
        yield SeenStage(first, stage.end_step, stage.mixing, tuple(variants))
        first = stage.end_step + 1


def _windows(
    text: str, vocabulary: Vocabulary, emphasis: Emphasis, positive: bool
) -> tuple[Window, ...]:
    try:
        return windows(text, vocabulary, emphasis=emphasis)
    except InvalidRequest as error:
        field = "prompt" if positive else "negative_prompt"
        raise InvalidRequest(field, error.problem) from None


def _seen(window: Window, traced: Traced, vocabulary: ClipVocabulary) -> tuple[SeenToken, ...]:
    seen = []
    for token in window.tokens:
        start, end = traced.range(token.start, token.end)
        embedding, mix = _vector(token.vector, vocabulary)
        word = vocabulary.word(token.id)
        seen.append(SeenToken(word, token.id, token.weight, start, end, embedding, mix))
    return tuple(seen)


def _vector(vector: Vector | None, vocabulary: ClipVocabulary) -> tuple[str, str]:
    """(name of the embedding, words of the mix); one of them, or neither."""
    if vector is None:
        return "", ""
    if len(vector.terms) == 1 and vector.terms[0].embedding and vector.terms[0].factor == 1:
        return vector.terms[0].embedding, ""
    words = [
        f"{term.factor:.3g} {term.embedding or vocabulary.word(term.id)}" for term in vector.terms
    ]
    return "", (" + " if vector.mixing == "linear" else " towards ").join(words)


# --- notes ---------------------------------------------------------------------------------------


def _unused(tags: Sequence[Tag], misfit: Callable[[str], str | None] | None) -> Iterator[Note]:
    """What cannot be loaded; the engine says so too, instead of a picture or with it."""
    for tag in tags:
        if tag.kind == "hypernet" and tag.arguments and tag.arguments[0].strip():
            told = "Hypernetworks cannot be loaded yet, so this does nothing."
            yield Note(told, tag.start, tag.end)
        for use in lora_uses([tag]):
            if misfit and (problem := misfit(use.name)):
                yield Note(f"{problem[0].upper()}{problem[1:]}.", tag.start, tag.end)


def _borders(traced: Traced, made: Sequence[Window]) -> Iterator[Note]:
    """Where the text is divided without a BREAK."""
    for before, after in pairwise(window.tokens for window in made):
        if not before or not after:
            continue
        left, right = before[-1].end, after[0].start
        if "BREAK" in traced.text[left:right]:
            continue
        place = traced.range(right, after[0].end)
        if _within_a_word(traced.text, before[-1], after[0]):
            told = f"This word is cut: the first {SIZE} tokens end in it."
        else:
            told = f"Here the next window of {SIZE} tokens begins, which the one before cannot see."
        yield Note(told, *place)


def _within_a_word(text: str, before: Token, after: Token) -> bool:
    touching = before.end == after.start and 0 < after.start < len(text)
    return touching and text[after.start - 1].isalnum() and text[after.start].isalnum()


def _embeddings(text: str, vocabulary: Vocabulary, unusable: Mapping[str, str]) -> Iterator[Note]:
    for name, start, end in mentions(text, unusable):
        yield Note(f"The embedding {name} is read as plain words: {unusable[name]}.", start, end)
    for match in _EMBEDDING.finditer(text):
        known = match[1] in vocabulary.embeddings
        told = (
            f"Write {match[1][:60]} alone: 'embedding:' before it is read as words."
            if known
            else f"There is no embedding {match[1][:60]}, so this is read as words."
        )
        yield Note(told, *match.span())


def _invisible(text: str) -> Iterator[Note]:
    """What turns a text round on the screen, and is read by the model all the same."""
    for match in islice(_TURNS.finditer(text), _MOST_MARKS):
        told = f"An invisible mark, U+{ord(match[0]):04X}, changes the direction of the text here."
        yield Note(told, *match.span())

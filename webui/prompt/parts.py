"""What a prompt's text says, as values: stages, spans, tokens, blends. No torch, no tensors.

A text goes through three grammars, in A1111's order: tags are taken out and `AND` splits it into
parts; each part becomes stages, for which steps which text is used; each stage's text becomes spans
with weights, and these become windows of at most 75 tokens. Places are offsets into the text as
the person wrote it, so that a note can point at them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Mixing = Literal["linear", "slerp"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a prompt that its author would want to know before generating."""

    text: str
    start: int  # offset into the prompt
    end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """`<kind:argument:argument>`, handed on to whoever knows the kind; never a mix."""

    kind: str
    arguments: tuple[str, ...]  # by place
    named: Mapping[str, str]  # name=value
    start: int
    end: int
    held: tuple[tuple[int, int], ...] | None = None  # (first, last) of its steps; None: all


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the texts whose whole encodings are blended."""

    ratio: float  # linear: its share, together 1; slerp: as the factors of a `Vector`
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What guides the steps up to and with `end_step` (1-based).

    An ordinary text is one variant of ratio 1. With several, each is encoded whole and the
    encodings are blended: that is how a mix at text level works.
    """

    end_step: int
    variants: tuple[Variant, ...]
    mixing: Mixing = "linear"


@dataclass(frozen=True, slots=True)
class Part:
    """What stands between two `AND`s."""

    weight: float
    stages: tuple[Stage, ...]  # their end_steps rise; the last one is the last step


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, understood for a number of steps."""

    parts: tuple[Part, ...]
    tags: tuple[Tag, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One vector of a sum: a token's of the vocabulary, or a row of a learned embedding."""

    factor: float
    id: int = 0  # of the token, where `embedding` is empty
    embedding: str = ""  # its name
    row: int = 0  # 0-based, where `embedding` is given


@dataclass(frozen=True, slots=True)
class Vector:
    """What a token's own vector is replaced by, before the text transformer.

    "linear" is the sum of factor times vector. "slerp" turns the first vector towards the second
    by the second's factor, and what comes out towards the third by the third's, and so on.
    """

    terms: tuple[Term, ...]
    mixing: Mixing = "linear"


@dataclass(frozen=True, slots=True)
class Token:
    id: int
    weight: float  # what emphasis makes of it; 1 changes nothing
    start: int  # offsets into the text of the stage
    end: int
    vector: Vector | None = None  # None: the vocabulary's own


@dataclass(frozen=True, slots=True)
class Window:
    """At most 75 tokens, without begin, end and padding: what the text transformer sees at once."""

    tokens: tuple[Token, ...]
    # of a text's first window: all that is written in the text, piece by piece with its weight, for
    # text encoders with other words; empty where there is none
    written: tuple[tuple[str, float], ...] = ()


class Vocabulary(Protocol):
    """A model's tokenizer, and the learned embeddings that can be named in a prompt."""

    def encode(self, text: str) -> list[tuple[int, int, int]]:
        """Each token's id and its offsets in `text`; neither begin, end nor padding."""
        ...

    @property
    def embeddings(self) -> Mapping[str, int]:
        """How many vectors each embedding has, by the name it is called with."""
        ...

"""The vectors of a mixed word, from the tokens of its ingredients.

Ingredients of fewer tokens than the result repeat theirs; of those with more, neighbours are
averaged (or, with slerp, some left out). A blend is as long as its longest ingredient, a sum as its
first, a replacement as what it replaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from webui.prompt.parts import Mixing, Term, Vector


@dataclass(frozen=True, slots=True)
class Written:
    """A token of an ingredient."""

    id: int
    weight: float
    term: Term  # its own vector


@dataclass(frozen=True, slots=True)
class Blended:
    id: int  # of the first ingredient's token there
    weight: float
    vector: Vector | None  # None: the vocabulary's own


def blended(
    kind: Literal["blend", "sum", "replacement"],
    mixing: Mixing,
    words: Sequence[tuple[float, Sequence[Written]]],
) -> list[Blended]:
    """The tokens of a mix; `words` are its ingredients, none without tokens, and their factors.

    The factors are shares of 1, except those of a sum.
    """
    own = words[0][1]
    length = max(len(word) for _, word in words) if kind == "blend" else len(own)
    result = []
    for place in range(length):
        there = [(factor, _fitted(word, place, length)) for factor, word in words if factor != 0]
        if mixing == "slerp":
            terms = _turned([(factor, tokens[0].term) for factor, tokens in there])
        else:
            terms = tuple(
                replace(token.term, factor=factor / len(tokens))
                for factor, tokens in there
                for token in tokens
            )
        written = _fitted(own, place, length)[0]
        weight = written.weight
        if kind != "sum":
            weight = sum(factor * tokens[0].weight for factor, tokens in there)
        single = len(terms) == 1 and terms[0] == Term(1.0, id=written.id)
        vector = None if single else Vector(terms, mixing if len(terms) > 1 else "linear")
        result.append(Blended(written.id, weight, vector))
    return result


def _fitted(word: Sequence[Written], place: int, length: int) -> Sequence[Written]:
    """What of a word stands at a place of `length`: one token, or several if it is longer."""
    first = place * len(word) // length
    return word[first : max(first + 1, (place + 1) * len(word) // length)]


def _turned(terms: Sequence[tuple[float, Term]]) -> tuple[Term, ...]:
    """Shares as slerp wants them: by how much what came before is turned towards each."""
    before = 0.0
    result: list[Term] = []
    for factor, term in terms:
        before += factor
        result.append(replace(term, factor=factor / before if result else 1.0))
    return tuple(result)

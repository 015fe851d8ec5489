"""What guides a model towards a text, and what makes it of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Written = Sequence[tuple[str, float]]  # the pieces of a text, each with its weight


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What guides the network towards a text."""

    context: Tensor  # (1, tokens, width), what its attention looks at
    pooled: Tensor | None = None  # (1, width), of the text as a whole, where the family has one
    beside: Tensor | None = None  # (1, tokens, width), of an encoder that reads whole texts
    negative: bool = False  # of a negative prompt
    empty: bool = False  # of a text without a word


class TextEncoder(Protocol):
    """A table of token vectors and the transformer behind it. A family has one or more."""

    @property
    def name(self) -> str:
        """As embedding files call it: "clip_l"."""

    @property
    def width(self) -> int:
        """Of a token's vector."""

    @property
    def layers(self) -> int:
        """The most that clip skip can be."""

    @property
    def network(self) -> Any:
        """The transformer itself."""

    def vectors(self, ids: Sequence[int]) -> Tensor:
        """The table's rows (n, width). Raises ModelRefused for an id that it has not."""

    def encode(
        self, ids: Sequence[int], replaced: Mapping[int, Tensor], clip_skip: int = 1
    ) -> Conditioning:
        """One window: at most 75 tokens become (1, 77, its width), with begin, end and padding.

        `replaced` gives the vectors (width,) that stand in place of the table's, by place in `ids`.
        `clip_skip` 1 takes the last layer, 2 the one before it. Raises ModelRefused as `vectors`.
        """


class WholeTextEncoder(Protocol):
    """One with a vocabulary of its own, that reads a text at once, not in windows."""

    @property
    def network(self) -> Any: ...

    def encode(self, written: Written) -> Tensor:
        """(1, tokens, width), always as many tokens. What is too long is cut off."""
        ...

    def cut_off(self, written: Written) -> int:
        """How many tokens of it are too many."""
        ...

"""Which words of a prompt stand at which places of the context that attention looks at."""

from collections.abc import Sequence

from webui.interfaces.engine_hooks import Word
from webui.prompt.parts import Window

_PLACES = 77  # of a window in the context: its tokens have a begin before and an end behind them


def words_of(text: str, windows: Sequence[Window]) -> tuple[Word, ...]:
    """The words of a stage's text, in order, with the places of their tokens.

    Tokens that stand side by side in the text are one word; a sign of its own is none.
    """
    made: list[tuple[int, int, list[int]]] = []  # start, end, places
    for number, window in enumerate(windows):
        for place, token in enumerate(window.tokens):
            at = number * _PLACES + 1 + place
            if made and _joined(text, made[-1], token.start):
                start, end, places = made[-1]
                made[-1] = (start, max(end, token.end), [*places, at])
            else:
                made.append((token.start, token.end, [at]))
    words = [(text[start:end].strip(), places) for start, end, places in made]
    return tuple(
        Word(text=word, tokens=tuple(places))
        for word, places in words
        if any(each.isalnum() for each in word)
    )


def _joined(text: str, last: tuple[int, int, list[int]], start: int) -> bool:
    """Whether a token goes on with the word before it."""
    begins, ends, _ = last
    if start < ends:  # of one mix, or of one embedding
        return start >= begins
    return start == ends and text[ends - 1 : ends].isalnum() and text[start : start + 1].isalnum()

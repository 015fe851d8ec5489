"""Names that stand in a text as whole words, whatever their capitals."""

import re
from collections.abc import Iterable, Iterator


def mentions(text: str, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of the first place of each of `names` that the text holds."""
    folded = text.casefold()
    for name in names:
        if name.casefold() not in folded:  # a pattern for each of a thousand files would be slow
            continue
        if match := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            yield name, *match.span()

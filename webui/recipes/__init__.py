"""What a picture or a text says of how it was made -> values for the form, and what was lost.

Nothing is executed, loaded or changed: the answer is values by the form's names, for somebody to
look at and submit. Knows what there is to choose from, and neither page nor routes.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from webui.errors import InvalidRequest
from webui.metadata import NAME, Record, generated, read_record, read_text
from webui.recipes import of_images, of_record, of_text
from webui.recipes.of_images import Tab, tab
from webui.recipes.settled import Draft, Lost, Tables
from webui.request import to_dict

__all__ = ["Lost", "Recipe", "Tab", "Tables", "read"]


@dataclass(frozen=True, slots=True)
class Recipe:
    source: Literal["darkroom", "a1111"] | None  # which of the two said it; None: nothing did
    values: dict[str, Any] = field(default_factory=dict)  # by the form's names; None: its default
    lost: tuple[Lost, ...] = ()  # what was there and is not in `values` as it was
    request: dict[str, Any] | None = None  # our exact request
    pairs: tuple[tuple[str, str], ...] = ()  # of A1111's text
    tab: Tab | None = None  # where the form for it is


def read(tables: Tables, parameters: str | None, record: str | None = None) -> Recipe:
    """`parameters` is A1111's text, `record` our JSON, which wins. Raises nothing for bad ones.

    Of a picture that was made larger: the recipe of its source, as far as either says that.
    """
    text = read_text(parameters) if parameters is not None else None
    pairs = text.pairs if text else ()
    damaged = Draft()
    if record is not None:
        try:
            ours = read_record(record)
        except InvalidRequest as error:
            instead = "; A1111's text is taken instead" if text and text.recipe else ""
            damaged.lose(NAME, record, f"the exact request cannot be read ({error}){instead}")
        else:
            if ours.source is not None or not (ours.request.upscale and text and generated(text)):
                return _of_record(tables, ours, pairs)
    if text is None or not text.recipe:
        return Recipe(None, lost=tuple(damaged.lost))
    draft = of_text.draft(tables, text)
    lost = (*damaged.lost, *draft.lost)
    return Recipe("a1111", draft.values, lost, None, pairs, tab(draft.values))


def _of_record(tables: Tables, ours: Record, pairs: tuple[tuple[str, str], ...]) -> Recipe:
    made = ours.source or ours
    draft = of_record.draft(tables, made)
    if ours.source is not None:
        of_images.enlarged_afterwards(draft, ours.request)
    values, lost = draft.values, tuple(draft.lost)
    return Recipe("darkroom", values, lost, to_dict(made.request), pairs, tab(values))

"""What a script without Darkroom is given of a prompt: its text, or tokens with their weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from webui.embeddings import token_widths
from webui.errors import DarkroomError
from webui.prompt import Emphasis, Prompt, Variant, Window, understand, windows
from webui.request import GenerationRequest
from webui.services import Services

Written = tuple[list[int], list[float]]  # a window's tokens and their weights


@dataclass(frozen=True, slots=True)
class Prompts:
    """Both prompts; windows where diffusers' own reading of the text would not do."""

    windows: tuple[Sequence[Written], Sequence[Written]] | None  # prompt, negative prompt
    unsaid: tuple[str, ...] = ()  # what of them a script does not do


def read(services: Services, request: GenerationRequest) -> Prompts:
    positive = understand(request.prompt, request.steps)
    negative = understand(request.negative_prompt, request.steps, positive=False)
    unsaid = [*_unsaid(positive, "The prompt"), *_unsaid(negative, "The negative prompt")]
    if any(map(_is_several, (positive, negative))):
        return Prompts(None, tuple(unsaid))
    texts = _first(positive), _first(negative)
    try:
        both = _windows(services, request, texts)
    except DarkroomError as error:
        return Prompts(None, (*unsaid, f"diffusers alone reads the prompts: {error}."))
    if both is None:
        unsaid.append("Embeddings and mixes of words are read as plain words here.")
        return Prompts(None, tuple(unsaid))
    as_written = texts == (request.prompt, request.negative_prompt)
    plain = as_written and all(map(_is_plain, both))
    return Prompts(None if plain else _written(both), tuple(unsaid))


def _first(prompt: Prompt) -> str:
    return _variants(prompt)[0].text


def _is_several(prompt: Prompt) -> bool:
    """Whether it is more than one text from beginning to end."""
    part, *more = prompt.parts
    return bool(more) or part.weight != 1 or len(part.stages) > 1 or len(_variants(prompt)) > 1


def _variants(prompt: Prompt) -> Sequence[Variant]:
    return prompt.parts[0].stages[0].variants


def _unsaid(prompt: Prompt, named: str) -> list[str]:
    found = []
    if len(prompt.parts) > 1 or prompt.parts[0].weight != 1:
        found.append(f"{named} has parts joined by AND; here it is one plain text.")
    if any(len(part.stages) > 1 for part in prompt.parts):
        found.append(f"{named} changes between steps; here it is one plain text, brackets and all.")
    if any(len(stage.variants) > 1 for part in prompt.parts for stage in part.stages):
        found.append(f"{named} mixes whole texts; here they are one plain text.")
    for tag in prompt.tags:
        found.append(f"<{':'.join((tag.kind, *tag.arguments))}> has no effect here.")
    return found


def _windows(
    services: Services, request: GenerationRequest, texts: Sequence[str]
) -> list[Sequence[Window]] | None:
    """None where a token is not the vocabulary's own. Raises DarkroomError."""
    entry = services.library.find(request.model)
    usable = services.embeddings.usable(token_widths(entry.folder))
    known = {name: each.vectors for name, each in usable.items()}
    words = services.vocabularies.of(entry.folder, known)
    emphasis = cast(Emphasis, request.emphasis)
    both: list[Sequence[Window]] = [windows(text, words, emphasis=emphasis) for text in texts]
    tokens = [token for each in both for window in each for token in window.tokens]
    return None if any(token.vector is not None for token in tokens) else both


def _is_plain(given: Sequence[Window]) -> bool:
    return len(given) == 1 and all(token.weight == 1 for token in given[0].tokens)


def _written(both: Sequence[Sequence[Window]]) -> tuple[Sequence[Written], Sequence[Written]]:
    """Equally many windows in each."""
    most = max(map(len, both))
    positive, negative = (
        [_one(window) for window in [*each, *[Window(())] * (most - len(each))]] for each in both
    )
    return positive, negative


def _one(window: Window) -> Written:
    return [token.id for token in window.tokens], [token.weight for token in window.tokens]

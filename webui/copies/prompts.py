"""What a script without Darkroom is given of a prompt: its text, or tokens with their weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from webui.errors import DarkroomError
from webui.prompt import (
    ClipVocabulary,
    Emphasis,
    Prompt,
    Variant,
    Window,
    understand,
    windows,
)
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
        words = _vocabulary(services, request.model)
        emphasis = cast(Emphasis, request.emphasis)
        both = [windows(text, words, emphasis=emphasis) for text in texts]
    except DarkroomError as error:
        return Prompts(None, (*unsaid, f"diffusers alone reads the prompts: {error}."))
    if any(map(_is_learned, both)):
        unsaid.append("Embeddings and mixes of words are read as plain words here.")
        return Prompts(None, tuple(unsaid))
    asked = zip((request.prompt, request.negative_prompt), both, strict=True)
    # diffusers' own way to read fewer layers does not work with each version of transformers
    plain = request.clip_skip == 1 and all(_is_plain(*each, words) for each in asked)
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


def _vocabulary(services: Services, model: str) -> ClipVocabulary:
    """Raises DarkroomError."""
    entry = services.library.find(model)
    usable = services.embeddings.usable(entry.token_widths)
    vectors = {name: each.vectors for name, each in usable.items()}
    return services.vocabularies.of(entry.tokenizer, vectors)


def _is_learned(given: Sequence[Window]) -> bool:
    """Whether a token of it is not the vocabulary's own."""
    return any(token.vector is not None for window in given for token in window.tokens)


def _is_plain(text: str, given: Sequence[Window], words: ClipVocabulary) -> bool:
    """Whether its tokens are those of the text as it is written."""
    if len(given) > 1 or any(token.weight != 1 for token in given[0].tokens):
        return False
    return [token.id for token in given[0].tokens] == [id for id, _, _ in words.encode(text)]


def _written(both: Sequence[Sequence[Window]]) -> tuple[Sequence[Written], Sequence[Written]]:
    """Equally many windows in each."""
    most = max(map(len, both))
    positive, negative = (
        [_one(window) for window in [*each, *[Window(())] * (most - len(each))]] for each in both
    )
    return positive, negative


def _one(window: Window) -> Written:
    return [token.id for token in window.tokens], [token.weight for token in window.tokens]

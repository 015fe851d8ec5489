"""A prompt's text, understood: the straight line from what was written to what guides which steps.

Comments and tags go, AND parts, schedules switch, and mixes of whole texts become variants. Mixes
of words stay in the texts: they are made where there are tokens (`windowing`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from webui.errors import InvalidRequest
from webui.prompt import brackets, composition, mixes, schedules, tags, timing
from webui.prompt.attention import Emphasis
from webui.prompt.mixes import Mix
from webui.prompt.parts import Mixing, Note, Part, Prompt, Stage, Tag, Variant
from webui.prompt.traced import Traced

MOST_VARIANTS = 16  # of one stage; each is encoded whole
_MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class TracedStage:
    end_step: int
    variants: tuple[tuple[float, Traced], ...]
    mixing: Mixing


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt, and where in it the texts of its stages stand."""

    prompt: Prompt
    stages: tuple[tuple[TracedStage, ...], ...]  # of each part


def understand(
    text: str,
    steps: int,
    *,
    positive: bool = True,
    hires_steps: int | None = None,
    emphasis: Emphasis = "original",
    kinds: Collection[str] = tags.KNOWN,
) -> Prompt:
    """What a prompt says, for a number of steps; see docs/prompts.md for the language.

    AND and tags other than mixes mean something in a positive prompt alone, as in A1111.
    `emphasis` and `kinds`, of tags that are known, decide which notes there are to make, nothing
    else. Raises InvalidRequest for a mix
    that means nothing and for what is too much to work through.
    """
    return read(
        text, steps, positive=positive, hires_steps=hires_steps, emphasis=emphasis, kinds=kinds
    ).prompt


def read(
    text: str,
    steps: int,
    *,
    positive: bool = True,
    hires_steps: int | None = None,
    emphasis: Emphasis = "original",
    kinds: Collection[str] = tags.KNOWN,
) -> Reading:
    """As `understand`, with places."""
    field = "prompt" if positive else "negative_prompt"
    clean = tags.without_comments(text)
    notes = _unclosed(clean, kinds)
    taken: list[Tag] = []
    marked = clean
    if positive:
        clean, taken, others = tags.without_tags(marked, kinds)
    else:
        others = _left_as_text(clean, kinds)
    atoms = mixes.places(clean.text)
    composed = composition.split(clean.text, atoms, field) if positive else _whole(len(clean.text))
    if positive and len(composed.pieces) == 1:
        notes += _weighed_by_a1111(clean)
    notes += others + _protected(clean, composed) + _unbalanced(clean, atoms, emphasis)
    parts, traced = [], []
    for piece in composed.pieces:
        stages, said = _stages(clean.cut([(piece.start, piece.end)]), steps, hires_steps, field)
        notes += said
        traced.append(stages)
        parts.append(Part(piece.weight, tuple(_plain(stage) for stage in stages)))
    if taken:
        taken = timing.timed(taken, marked.text, steps, hires_steps)
    kept = tuple(sorted(notes, key=lambda note: note.start)[:_MOST_NOTES])
    return Reading(Prompt(tuple(parts), tuple(taken), kept), tuple(traced))


def _whole(length: int) -> composition.Composition:
    return composition.Composition((composition.Piece(1.0, 0, length),))


def _plain(stage: TracedStage) -> Stage:
    variants = tuple(Variant(ratio, traced.text) for ratio, traced in stage.variants)
    return Stage(stage.end_step, variants, stage.mixing)


# --- stages --------------------------------------------------------------------------------------


def _stages(
    part: Traced, steps: int, hires_steps: int | None, field: str
) -> tuple[tuple[TracedStage, ...], list[Note]]:
    try:
        found = schedules.stages(part.text, steps, hires_steps, mixes.places(part.text))
    except InvalidRequest as error:
        raise InvalidRequest(field, error.problem) from None
    notes = [
        Note(f"This never switches: {each.when} is not within the {steps} steps.",
             *part.range(each.start, each.end))
        for each in found.late
    ]  # fmt: skip
    if found.unread >= 0 and "[" in part.text:
        told = "A backslash with nothing after it switches all [a:b:1] off, as in A1111."
        notes.append(Note(told, *part.range(found.unread, found.unread + 1)))
    whole = ((0, len(part.text)),)
    stages = [
        _stage(end, part if slices == whole else part.cut(slices), field)
        for end, slices in found.stages
    ]
    return tuple(stages), notes


def _stage(end_step: int, text: Traced, field: str) -> TracedStage:
    """With the mixes resolved that need no tokens."""
    found = mixes.mixes(text.text, field) if "<" in text.text else []
    chosen = [mix for mix in found if mix.alone or mix.level == "text"]
    if not chosen:
        return TracedStage(end_step, ((1.0, text),), "linear")
    choices = [_choices(mix) for mix in chosen]
    count = prod(len(each) for each in choices)
    if count > MOST_VARIANTS:
        raise InvalidRequest(
            field, f"mixes {count} whole texts at a time; {MOST_VARIANTS} is the most"
        )
    mixed = [mix for mix, each in zip(chosen, choices, strict=True) if len(each) > 1]
    turning = any(mix.mixing == "slerp" for mix in mixed)
    if turning and len(mixed) > 1:
        raise InvalidRequest(field, "has more than one mix of whole texts; then none can be slerp")
    variants: list[tuple[float, list[tuple[int, int]]]] = [(1.0, [])]
    position = 0
    for mix, each in zip(chosen, choices, strict=True):
        variants = [
            (ratio * factor, [*slices, (position, mix.start), *chosen_slices])
            for ratio, slices in variants
            for factor, chosen_slices in each
        ]
        position = mix.end
    rest = (position, len(text.text))
    traced = tuple((ratio, text.cut([*slices, rest])) for ratio, slices in variants)
    return TracedStage(end_step, traced, "slerp" if turning else "linear")


def _choices(mix: Mix) -> list[tuple[float, tuple[tuple[int, int], ...]]]:
    """The texts that can stand in its place, and each one's ratio."""
    if mix.alone:
        return [(1.0, mix.alone.slices)]
    left = [each for each in mix.ingredients if each.factor != 0]
    if mix.mixing == "linear":
        return [(each.factor, each.slices) for each in left]
    turns: list[tuple[float, tuple[tuple[int, int], ...]]] = []
    before = 0.0
    for each in left:  # by how much what came before is turned towards it
        before += each.factor
        turns.append((each.factor / before if turns else each.factor, each.slices))
    return turns


# --- notes ---------------------------------------------------------------------------------------


def _unclosed(text: Traced, kinds: Collection[str]) -> list[Note]:
    place = tags.unclosed(text.text, kinds)
    if place is None:
        return []
    return [Note("This tag has no > at its end, so it is read as words.", *text.range(*place))]


def _left_as_text(text: Traced, kinds: Collection[str]) -> list[Note]:
    told = "A negative prompt takes no tags, as in A1111: this is read as words."
    return [
        Note(told, *text.range(each.start, each.end))
        for each in tags.found(text.text)
        if each.kind in kinds and each.kind != tags.MIX
    ]


def _weighed_by_a1111(text: Traced) -> list[Note]:
    piece = composition.weighted(text.text)
    if piece is None:
        return []
    told = "A1111 would take this number for the weight of the whole prompt; here it is text."
    return [Note(told, *text.range(piece.end, len(text.text.rstrip())))]


def _protected(text: Traced, composed: composition.Composition) -> list[Note]:
    told = "AND in brackets is a word like any other; outside them it would divide the prompt."
    return [Note(told, *text.range(at, at + 3)) for at in composed.protected[:_MOST_NOTES]]


def _unbalanced(text: Traced, atoms: list[tuple[int, int]], emphasis: Emphasis) -> list[Note]:
    if emphasis == "none":
        return []
    _, alone = brackets.pairs(text.text, atoms)
    notes = []
    for at in alone[:_MOST_NOTES]:
        opens = text.text[at] in "(["
        told = (
            f"This {text.text[at]} is never closed, so it counts to the end of the prompt."
            if opens
            else f"This {text.text[at]} closes nothing, so it is read as it stands."
        )
        notes.append(Note(told, *text.range(at, at + 1)))
    return notes

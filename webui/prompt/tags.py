"""What is taken out of a prompt before all else: `#` comments and tags, `<kind:arguments>`."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from webui.prompt.parts import Note, Tag
from webui.prompt.traced import Traced, joined, untouched

MIX = "mix"  # stays in the text: its place matters
KNOWN = ("lora", "lyco", "hypernet", MIX)  # kinds that ship; capitals matter

_WHOLE_LINE = re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)")
_REST_OF_LINE = re.compile(r"#[^\n]*(?:\n|\Z)")
_OPEN = re.compile(r"<(\w+):")


@dataclass(frozen=True, slots=True)
class Found:
    kind: str
    start: int
    inside: int  # where its arguments begin
    end: int


def without_comments(prompt: str) -> Traced:
    """From a `#` to the end of its line. A line of nothing else goes with both its ends.

    As A1111 does it: what is left of either is one line end, also at the end of the prompt.
    """
    text = untouched(prompt)
    if "#" in prompt:
        for pattern in (_WHOLE_LINE, _REST_OF_LINE):
            text = joined(_kept(text, pattern))
    return text


def _kept(text: Traced, pattern: re.Pattern[str]) -> Iterator[tuple[Traced, int, int]]:
    position = 0
    for match in pattern.finditer(text.text):
        yield text, position, match.start()
        yield Traced("\n", (0,), (text.place(match.start()),)), 0, 1
        position = match.end()
    yield text, position, len(text.text)


def found(text: str) -> Iterator[Found]:
    """The tags: word characters and a colon after `<`, then anything up to the next `>`."""
    position = 0
    while match := _OPEN.search(text, position):
        end = text.find(">", match.end())
        if end < 0:
            return
        if end == match.end():  # `<a:>` is none
            position = end
            continue
        yield Found(match[1], match.start(), match.end(), end + 1)
        position = end + 1


def unclosed(text: str, known: Collection[str] = KNOWN) -> tuple[int, int] | None:
    """Where the first tag of a known kind stands that has no `>`."""
    last = text.rfind(">") + 1
    for match in _OPEN.finditer(text, last):
        if match[1] in known:
            return match.span()
    return None


def without_tags(
    text: Traced, known: Collection[str] = KNOWN
) -> tuple[Traced, list[Tag], list[Note]]:
    """The text without its tags, mixes apart; the tags; what there is to say about them."""
    tags: list[Tag] = []
    notes: list[Note] = []
    kept: list[tuple[int, int]] = []
    position = 0
    for each in found(text.text):
        if each.kind == MIX:
            continue
        kept.append((position, each.start))
        position = each.end
        start, end = text.range(each.start, each.end)
        tag = _tag(each.kind, text.text[each.inside : each.end - 1], start, end)
        tags.append(tag)
        if each.kind not in known:
            notes.append(Note(_unknown(tag, known), start, end))
        elif each.kind in KNOWN and not (tag.arguments and tag.arguments[0].strip()):
            notes.append(Note(f"This <{each.kind}:...> names nothing.", start, end))
    kept.append((position, len(text.text)))
    return (text.cut(kept) if tags else text), tags, notes


def _tag(kind: str, arguments: str, start: int, end: int) -> Tag:
    """`name=value` is a named argument; with more than one `=` it is none, as in A1111."""
    by_place: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments.split(":"):
        name, *values = argument.split("=")
        if len(values) == 1:
            named[name] = values[0]
        else:
            by_place.append(argument)
    return Tag(kind, tuple(by_place), named, start, end)


def _unknown(tag: Tag, kinds: Collection[str]) -> str:
    if tag.kind in ("embedding", "ti"):
        return "An embedding is called by its name alone, without < >; this does nothing."
    near = [kind for kind in kinds if kind.lower() == tag.kind.lower()]
    known = near or list(kinds)
    return (
        f"Nothing knows what <{tag.kind[:40]}:...> is, so it does nothing; "
        f"known {'is' if near else 'are'} {', '.join(known)}."
    )

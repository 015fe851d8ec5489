"""Which emoji are learnt, and by which words: from the data of Unicode that emojibase holds.

Left out: skin tones, men's and women's variants (the neutral person stays), flags, symbols other
than hearts, and everything else that is a sign rather than a thing.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIAR_GROUPS = (3, 4)  # animals and nature, food and drink
_LEFT_OUT_GROUPS = (2, 8, 9)  # components, symbols, flags
_LEFT_OUT_SUBGROUPS = (30, 31, 49, 58)  # family, person-symbol, place-map, clocks
_GENDERED = re.compile(r"^1F46[89]-|-200D-264[02]|^1F9D1-200D-1F9(AF|BC|BD)|-27A1")
_FAMILIAR_FILE = Path(__file__).with_name("familiar.txt")
_HELD_OUT_FILE = Path(__file__).with_name("held_out.txt")


@dataclass(frozen=True)
class Emoji:
    """One class. `label` is Unicode's name for it; `names` are other whole names; `tags` only say
    something about it; `kin` are single words that mean about it, found by `kin`."""

    key: str  # code points in hexadecimal, joined by hyphens, in lower case
    label: str
    names: tuple[str, ...]
    tags: tuple[str, ...]
    familiar: bool
    unmirrored: bool  # left and right mean something in it
    kin: tuple[str, ...] = ()


def classes(
    data: Sequence[Mapping[str, Any]], codes: Mapping[str, Any], drawn: Collection[str]
) -> list[Emoji]:
    """emojibase's entries that there is a drawing of, in Unicode's order.

    `codes` maps code points to short codes ("red_car"). Words of `held_out` are in no name and no
    tag: whether the model finds them all the same is measured.
    """
    secret = {word for word, _ in held_out()}
    familiar = set(_FAMILIAR_FILE.read_text("utf-8").splitlines())
    found = []
    for entry in sorted(data, key=lambda entry: entry.get("order", 0)):
        key = entry["hexcode"].lower()
        if key not in drawn or not _learnt(entry):
            continue
        label = entry["label"].lower()
        known = entry.get("group") in FAMILIAR_GROUPS or label in familiar
        words = codes.get(entry["hexcode"], [])
        names = [code.replace("_", " ") for code in ([words] if isinstance(words, str) else words)]
        found.append(
            Emoji(
                key=key,
                label=label,
                names=_spoken(names, secret, {label}),
                tags=_spoken(entry.get("tags", []), secret, {label, *label.split()}),
                familiar=known,
                unmirrored=bool({"left", "right", "backhand"} & set(re.split(r"\W+", label))),
            )
        )
    return found


def held_out() -> list[tuple[str, tuple[str, ...]]]:
    """(word, the labels that it may mean): words that no caption holds."""
    rows = [line.split(":") for line in _HELD_OUT_FILE.read_text("utf-8").splitlines()]
    return [(word, tuple(labels.strip().split(" | "))) for word, labels in rows]


def _learnt(entry: Mapping[str, Any]) -> bool:
    group, subgroup = entry.get("group"), entry.get("subgroup")
    if "heart" in entry["label"] and group == 0:
        return True
    return not (
        group is None
        or group in _LEFT_OUT_GROUPS
        or subgroup in _LEFT_OUT_SUBGROUPS
        or _GENDERED.search(entry["hexcode"])
    )


def _spoken(
    words: Sequence[str], secret: Collection[str], said: Collection[str]
) -> tuple[str, ...]:
    """Words that a person could write, none of them secret, none said already; each once."""
    kept = dict.fromkeys(word.lower() for word in words)
    return tuple(
        word
        for word in kept
        if re.fullmatch(r"[a-z][a-z' -]*[a-z]", word)
        and word not in said
        and not set(word.split()) & set(secret)
    )

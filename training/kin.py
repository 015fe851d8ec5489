"""Words that nobody listed for an emoji, and that mean about what is listed: "kittens", "feline".

A sentence model says how near each word of CLIP's vocabulary is to each class's label, names and
tags. A word belongs to the nearest class, if that is near. So the text encoder meets thousands of
words in captions, and the ones that it never meets lie between those that it knows.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from training.emoji import Emoji
from training.sentences import Sentences

_NEAR = 0.62  # below, most words mean something else
_OF_TAGS = 0.92  # a tag only says something about a class
_MOST = 24  # words for a class, the nearest first
_AT_A_TIME = 2048


def with_kin(
    known: Sequence[Emoji], words: Sequence[str], secret: Collection[str], sentences: Sentences
) -> list[Emoji]:
    """The same classes with their `kin`, of these `words`. Words of `secret`, and their plurals,
    belong to none."""
    found: list[list[tuple[float, str]]] = [[] for _ in known]
    hidden = {
        form for word in secret for form in (word, f"{word}s", f"{word}es", f"{word[:-1]}ies")
    }
    asked = [word for word in words if word not in hidden]
    for word, (near, which) in zip(asked, _nearest(known, asked, sentences), strict=True):
        each = known[which]
        if near > _NEAR and word not in (*each.label.split(), *each.names):
            found[which].append((-near, word))
    return [
        replace(each, kin=tuple(word for _, word in sorted(its)[:_MOST]))
        for each, its in zip(known, found, strict=True)
    ]


def _nearest(
    known: Sequence[Emoji], words: Sequence[str], sentences: Sentences
) -> list[tuple[float, int]]:
    """For each word how near the nearest class is, up to 1, and which one that is."""
    said = [(n, text, 1.0) for n, each in enumerate(known) for text in (each.label, *each.names)]
    said += [(n, text, _OF_TAGS) for n, each in enumerate(known) for text in each.tags]
    meant = sentences.meanings([text for _, text, _ in said])
    meant *= torch.tensor([weight for _, _, weight in said])[:, None]
    found: list[tuple[float, int]] = []
    for start in range(0, len(words), _AT_A_TIME):
        near: Tensor = sentences.meanings(words[start : start + _AT_A_TIME]) @ meant.T
        best = near.max(1)
        found += [(value, said[n][0]) for value, n in zip(*map(Tensor.tolist, best), strict=True)]
    return found

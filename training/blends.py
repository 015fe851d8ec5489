"""Captions between the words: some of their words are partly others.

Left to itself a text encoder says the right thing at each word that it has read, and anything in
between. But there lie the words that no caption holds, and there people look: "half a cat, half a
panda" is a mean of two rows of the table of tokens. So some captions are read with rows between
two words' (mixup, Zhang et al. 2018, arXiv:1710.09412):

- a thing's name on the way to another thing's, which should say what lies as far between the two;
- all words a little on the way to any others, which should still say what they said.
"""

import random
from dataclasses import replace

import torch

from training import vocabulary
from training.looks import Asked, Captions

_HALFWAY, _ASTRAY = 8, 16  # captions of a batch of either kind
_LITTLE = 0.35
_START, _END = vocabulary.SIZE - 2, vocabulary.SIZE - 1


def blended(asked: Asked, captions: Captions, seed: int) -> Asked:
    """The same batch, its first captions of these kinds; the same for the same seed."""
    rng = random.Random(f"blends {seed}")
    made = replace(asked, **{name: each.clone() for name, each in vars(asked).items()})
    spoken = [
        (which, name[0])
        for which, names in enumerate(captions.names)
        for name in names
        if len(name) == 1
    ]
    for row in range(_HALFWAY):
        _halfway(made, row, captions, rng.sample(spoken, 2), rng.random())
    for row in range(_HALFWAY, _HALFWAY + _ASTRAY):
        end = int((made.words[row] == _END).int().argmax())
        made.others[row, 1:end] = torch.tensor([name for _, name in rng.choices(spoken, k=end)])[1:]
        made.share[row] = _LITTLE * rng.random()
    return made


def _halfway(
    made: Asked, row: int, captions: Captions, pair: list[tuple[int, int]], share: float
) -> None:
    """The row says one thing's name, `share` of the way to another's."""
    (first, name), (second, other) = pair
    for line, word in ((made.words[row], name), (made.others[row], other)):
        line[:] = _END
        line[0], line[1] = _START, word
    made.share[row] = share
    made.looks[row], made.named[row] = 0, 0
    made.looks[row, 1] = captions.looks[0, first].lerp(captions.looks[0, second], share)
    made.named[row, 1] = 1
    one, two = (captions.alone(which) for which in (first, second))
    made.patches[row] = one.lerp(two, share)
    made.ended[row] = (made.words[row] == _END).float()
